//! The fields of a form.

use url::form_urlencoded;

/// The fields of a form.
#[derive(Debug, Default)]
pub(in crate::http) struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// Parses a form.
    pub(in crate::http) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// Returns the form with these fields.
    pub(in crate::http) fn of(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// Returns a field that is not empty.
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// Returns every value of a field that is not empty.
    pub(in crate::http) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(other, _)| other == name);
        values.map(|(_, value)| value.trim()).filter(|value| !value.is_empty()).collect()
    }

    /// Returns the lines of a field, or its entries that are separated by commas.
    pub(in crate::http) fn entries(&self, name: &str) -> Vec<&str> {
        let parts = self.get(name).unwrap_or_default().split(['\n', ',']);
        parts.map(str::trim).filter(|one| !one.is_empty()).collect()
    }
}
