//! A way to sign in that people must use, for the kinds that require one.

use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;

use serde::Deserialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::validation::Population;
use super::{Check, CheckContext, Reference};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Evidence, Finding, Person, PersonProfile};
use crate::domain::sync::SyncResource;

/// Why no operation ends a violation.
const NO_FIX: &str = "The person must set it up at the provider, or in the identity provider.";

/// A way to sign in.
pub(super) trait SignInMethod: Debug + Send + Sync {
    /// The name, for messages.
    const NAME: &'static str;

    /// Whether a person uses it; `None` where the provider does not say.
    fn is_used(profile: &PersonProfile) -> Option<bool>;
}

/// The people who must use a way to sign in.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound = "")]
pub(super) struct SignInRequirement<M> {
    people: Population,
    #[serde(skip)]
    method: PhantomData<M>,
}

impl<M> PartialSchema for SignInRequirement<M> {
    fn schema() -> RefOr<Schema> {
        Population::schema()
    }
}

impl<M> ToSchema for SignInRequirement<M> {
    fn name() -> Cow<'static, str> {
        Population::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Population::schemas(schemas);
    }
}

impl<M: SignInMethod> Check for SignInRequirement<M> {
    fn resources(&self) -> &'static [SyncResource] {
        self.people.resources()
    }

    fn validate(&self) -> Vec<ValidationError> {
        self.people.validate()
    }

    fn references(&self) -> Vec<Reference> {
        self.people.references()
    }

    fn check(&self, person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        // A person of whom the provider does not say it does not violate the policy.
        if !self.people.includes(person) || M::is_used(&person.profile) != Some(false) {
            return None;
        }
        let summary = format!("{} does not use {}.", person.display_name(), M::NAME);
        Some(Finding::of_user(&person.id, Evidence::of(summary)).without_fix(NO_FIX))
    }
}
