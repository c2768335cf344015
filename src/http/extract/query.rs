//! Query parameters of lists, single resources and writes.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use time::OffsetDateTime;
use utoipa::IntoParams;

use super::account::AccountQuery;
use super::filter::{TakeFilter, take_expand};
use super::params::{Params, contradicting_parameters, invalid_parameter};
use super::source::{Source, take_options};
use crate::domain::filter::RemoteQuery;
use crate::domain::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::domain::sync::CopyKind;
use crate::http::problem::Problem;
use crate::sync::{CopyFilter, CopyOptions};
use crate::unified::{ListParams, OnConflict, RenderOptions, Resource, ResponseFormat};

/// The page of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PageQuery {
    /// Maximum number of rows per page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    pub limit: u16,
    /// The `next_cursor` of the previous page.
    pub next_cursor: Option<String>,
}

impl PageQuery {
    /// Takes the pagination parameters.
    pub(in crate::http) fn take(params: &mut Params) -> Result<Self, Problem> {
        let limit = params.parse::<u16>("limit")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid_parameter("limit", format!("must be between 1 and {MAX_LIMIT}")));
        }
        let next_cursor = params.take("next_cursor")?;
        Ok(Self { limit, next_cursor })
    }
}

/// The format of resources in the response.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ResponseFormatQuery {
    /// `unified`: all unified fields; `normalized`: those that have a value; `raw`: the provider's own object.
    pub response_format: Option<ResponseFormat>,
    /// Include the provider's object as `remote_data`.
    pub include_remote_data: Option<bool>,
    /// Fields to omit. Repeatable.
    #[param(rename = "exclude_fields[]", required = false)]
    pub exclude_fields: Vec<String>,
}

impl ResponseFormatQuery {
    fn take(params: &mut Params) -> Result<Self, Problem> {
        let response_format = match params.take("response_format")?.as_deref() {
            None => None,
            Some("unified") => Some(ResponseFormat::Unified),
            Some("normalized") => Some(ResponseFormat::Normalized),
            Some("raw") => Some(ResponseFormat::Raw),
            Some(_) => {
                return Err(invalid_parameter(
                    "response_format",
                    "must be unified, normalized or raw",
                ));
            }
        };
        let include_remote_data = params.parse("include_remote_data")?;
        let exclude_fields = params.take_all("exclude_fields[]")?;
        if response_format == Some(ResponseFormat::Raw) && !exclude_fields.is_empty() {
            let message = "the provider's own object has no unified fields to omit";
            return Err(contradicting_parameters(["response_format", "exclude_fields[]"], message));
        }
        Ok(Self { response_format, include_remote_data, exclude_fields })
    }

    fn shape(self) -> RenderOptions {
        RenderOptions {
            format: self.response_format.unwrap_or_default(),
            include_remote_data: self.include_remote_data.unwrap_or_default(),
            exclude_fields: self.exclude_fields,
        }
    }
}

/// The parameters of a list of an account's resources.
#[derive(Debug)]
pub(in crate::http) struct ListQuery<T: Resource> {
    /// The page, filter and fields.
    pub(in crate::http) request: ListParams<T>,
    /// The format of the rows.
    pub(in crate::http) shape: RenderOptions,
    /// Where the rows are read.
    pub(in crate::http) source: Source,
    /// Filters, order and time of the synced copy.
    pub(in crate::http) options: CopyOptions,
}

/// The parameters of reading a single resource.
#[derive(Debug)]
pub(in crate::http) struct ResourceQuery {
    /// The format of the resource.
    pub(in crate::http) shape: RenderOptions,
    /// Where it is read.
    pub(in crate::http) source: Source,
    /// The time of an earlier state.
    pub(in crate::http) as_of: Option<OffsetDateTime>,
}

/// The parameters of a single resource.
#[derive(Debug)]
pub(in crate::http) struct ItemQuery {
    /// The format of the resource.
    pub(in crate::http) shape: RenderOptions,
}

impl From<ItemQuery> for ResourceQuery {
    /// Reads from the provider.
    fn from(ItemQuery { shape }: ItemQuery) -> Self {
        Self { shape, source: Source::Live, as_of: None }
    }
}

/// The parameters of creating a user.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CreateUserQuery {
    /// If a user with that e-mail address or user name exists: `fail` returns 409, `return` returns the existing user,
    /// `update`
    /// updates it to match the request.
    #[param(value_type = Option<OnConflict>, default = "fail")]
    pub(in crate::http) on_conflict: OnConflict,
    /// The format of the response.
    #[param(ignore)]
    pub(in crate::http) shape: RenderOptions,
}

impl<S: Send + Sync> FromRequestParts<S> for CreateUserQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let shape = ResponseFormatQuery::take(&mut params)?.shape();
        let on_conflict = match params.take("on_conflict")?.as_deref() {
            None | Some("fail") => OnConflict::Fail,
            Some("return") => OnConflict::Return,
            Some("update") => OnConflict::Update,
            Some(_) => {
                return Err(invalid_parameter("on_conflict", "must be fail, return or update"));
            }
        };
        params.finish()?;
        Ok(Self { on_conflict, shape })
    }
}

/// The parameters of deactivating a user.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct DeactivateUserQuery {
    /// End the user's sessions immediately.
    #[param(value_type = Option<bool>, default = false)]
    pub(in crate::http) sign_out: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for DeactivateUserQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let sign_out = params.parse("sign_out")?.unwrap_or(false);
        params.finish()?;
        Ok(Self { sign_out })
    }
}

/// The parameters of a list with a fixed format.
#[derive(Debug)]
pub(in crate::http) struct PageOnlyQuery(pub(in crate::http) PageQuery);

impl<S: Send + Sync> FromRequestParts<S> for PageOnlyQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let page = PageQuery::take(&mut params)?;
        params.finish()?;
        Ok(Self(page))
    }
}

/// No parameters.
#[derive(Debug)]
pub(in crate::http) struct NoQuery;

impl<T: TakeFilter, S: Send + Sync> FromRequestParts<S> for ListQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let page = PageQuery::take(&mut params)?;
        let shape = ResponseFormatQuery::take(&mut params)?.shape();
        let filter = T::take_filter(&mut params)?;
        let expand = take_expand(&mut params, T::EXPANSIONS)?;
        let remote_query = RemoteQuery(params.take_keyed("remote_query")?);
        let (source, options) = match <T::Filter as CopyFilter>::KIND {
            None => (Source::Live, CopyOptions::default()),
            Some(kind) => {
                let (source, as_of) = Source::take(&mut params)?;
                let known = (T::SORTS, kind == CopyKind::User);
                (source, take_options(&mut params, source, as_of, known)?)
            }
        };
        params.finish()?;
        if source != Source::Live && !remote_query.0.is_empty() {
            let message = "the synced copy has no call of the provider";
            return Err(contradicting_parameters(["source", "remote_query"], message));
        }
        let PageQuery { limit, next_cursor: cursor } = page;
        let request = ListParams { limit, cursor, filter, expand, remote_query };
        Ok(Self { request, shape, source, options })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ResourceQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let shape = ResponseFormatQuery::take(&mut params)?.shape();
        let (source, as_of) = Source::take(&mut params)?;
        params.finish()?;
        Ok(Self { shape, source, as_of })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ItemQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let shape = ResponseFormatQuery::take(&mut params)?.shape();
        params.finish()?;
        Ok(Self { shape })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Params::of(&parts.uri).finish()?;
        Ok(Self)
    }
}
