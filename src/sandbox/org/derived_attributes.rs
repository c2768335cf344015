//! Attributes of a person that only SCIM has, derived from the others until a client writes them.

use std::borrow::Cow;

use super::{GridOrganization, Person, ScimAttributes};

impl ScimAttributes {
    /// Returns derived attributes for a person without stored ones.
    fn derived(org: &GridOrganization, person: &Person) -> Self {
        let employed = !person.job.department.is_empty();
        Self {
            external_id: person.job.employee_number.clone(),
            organization: if employed { org.name.clone() } else { String::new() },
            role: person.job.title.clone(),
            preferred_language: person.location.locale.replace('-', "_"),
            start_date: Some(person.created - person.created.rem_euclid(86_400)),
            ..Self::default()
        }
    }
}

impl GridOrganization {
    /// Returns the stored attributes of a person, or derived ones.
    #[must_use]
    pub fn scim_attributes<'a>(&self, person: &'a Person) -> Cow<'a, ScimAttributes> {
        match &person.scim {
            Some(record) => Cow::Borrowed(record),
            None => Cow::Owned(ScimAttributes::derived(self, person)),
        }
    }
}
