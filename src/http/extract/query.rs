//! The parameters of lists and of single things.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use utoipa::IntoParams;

use super::account::AccountQuery;
use super::filter::{TakeFilter, take_expand};
use super::params::{Params, contradicting, invalid};
use crate::domain::filter::RemoteQuery;
use crate::domain::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::http::problem::Problem;
use crate::unified::{ListWish, OnConflict, Resource, ResponseFormat, Shape};

/// Which page of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct PageQuery {
    /// The most rows of a page.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    pub limit: u16,
    /// The `next_cursor` of the page before.
    pub next_cursor: Option<String>,
}

impl PageQuery {
    /// Takes the parameters that name a page.
    pub(in crate::http) fn take(params: &mut Params) -> Result<Self, Problem> {
        let limit = params.parse::<u16>("limit")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(invalid("limit", format!("must be between 1 and {MAX_LIMIT}")));
        }
        let next_cursor = params.take("next_cursor")?;
        Ok(Self { limit, next_cursor })
    }
}

/// What a thing looks like in the answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct ShapeQuery {
    /// `unified`: every unified field; `normalized`: those that have a value; `raw`: the provider's own.
    pub response_format: Option<ResponseFormat>,
    /// Puts the provider's objects beside the unified fields, as `remote_data`.
    pub include_remote_data: Option<bool>,
    /// Fields to leave out; may stand several times.
    #[param(rename = "exclude_fields[]")]
    pub exclude_fields: Vec<String>,
}

impl ShapeQuery {
    fn take(params: &mut Params) -> Result<Self, Problem> {
        let response_format = match params.take("response_format")?.as_deref() {
            None => None,
            Some("unified") => Some(ResponseFormat::Unified),
            Some("normalized") => Some(ResponseFormat::Normalized),
            Some("raw") => Some(ResponseFormat::Raw),
            Some(_) => {
                return Err(invalid("response_format", "must be unified, normalized or raw"));
            }
        };
        let include_remote_data = params.parse("include_remote_data")?;
        let exclude_fields = params.take_all("exclude_fields[]")?;
        if response_format == Some(ResponseFormat::Raw) && !exclude_fields.is_empty() {
            let message = "the provider's own object has no unified fields to leave out";
            return Err(contradicting(["response_format", "exclude_fields[]"], message));
        }
        Ok(Self { response_format, include_remote_data, exclude_fields })
    }

    fn shape(self) -> Shape {
        Shape {
            format: self.response_format.unwrap_or_default(),
            include_remote_data: self.include_remote_data.unwrap_or_default(),
            exclude_fields: self.exclude_fields,
        }
    }
}

/// The parameters of a list of an account's things.
#[derive(Debug)]
pub(in crate::http) struct ListQuery<T: Resource> {
    /// Which page, and of what.
    pub(in crate::http) wish: ListWish<T>,
    /// What its rows look like.
    pub(in crate::http) shape: Shape,
}

/// The parameters of one of an account's things.
#[derive(Debug)]
pub(in crate::http) struct ItemQuery {
    /// What it looks like.
    pub(in crate::http) shape: Shape,
}

/// How a user is made.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CreateQuery {
    /// When somebody with that address or short name is there: `fail` refuses, `return` answers with who is there, `update` brings them to the wish.
    #[param(value_type = Option<String>, default = "fail", pattern = "^(fail|return|update)$")]
    pub(in crate::http) on_conflict: OnConflict,
    /// What the answer looks like.
    #[param(ignore)]
    pub(in crate::http) shape: Shape,
}

impl<S: Send + Sync> FromRequestParts<S> for CreateQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let shape = ShapeQuery::take(&mut params)?.shape();
        let on_conflict = match params.take("on_conflict")?.as_deref() {
            None | Some("fail") => OnConflict::Fail,
            Some("return") => OnConflict::Return,
            Some("update") => OnConflict::Update,
            Some(_) => return Err(invalid("on_conflict", "must be fail, return or update")),
        };
        params.finish()?;
        Ok(Self { on_conflict, shape })
    }
}

/// How a user is switched off.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct LeaveQuery {
    /// Ends the user's sessions at once.
    #[param(value_type = Option<bool>, default = false)]
    pub(in crate::http) sign_out: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for LeaveQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let sign_out = params.parse("sign_out")?.unwrap_or(false);
        params.finish()?;
        Ok(Self { sign_out })
    }
}

/// The parameters of a list whose rows have one shape only.
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

/// No parameters at all.
#[derive(Debug)]
pub(in crate::http) struct NoQuery;

impl<T: TakeFilter, S: Send + Sync> FromRequestParts<S> for ListQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let page = PageQuery::take(&mut params)?;
        let shape = ShapeQuery::take(&mut params)?.shape();
        let filter = T::take_filter(&mut params)?;
        let expand = take_expand(&mut params, T::EXPANSIONS)?;
        let remote_query = RemoteQuery(params.take_keyed("remote_query")?);
        params.finish()?;
        let PageQuery { limit, next_cursor: cursor } = page;
        Ok(Self { wish: ListWish { limit, cursor, filter, expand, remote_query }, shape })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ItemQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut params = Params::of(&parts.uri);
        AccountQuery::take(&mut params)?;
        let shape = ShapeQuery::take(&mut params)?.shape();
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
