//! CSV documents (RFC 4180) that are safe to open in a spreadsheet.

use std::borrow::Cow;

use ::csv::{Error, Terminator, Writer, WriterBuilder};

/// The media type of documents with a header row.
pub(super) const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// What a formula begins with in a spreadsheet, as listed by OWASP ("CSV Injection"), with the full-width forms.
const FORMULA_STARTS: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Writes records.
pub(super) struct CsvRecords(Writer<Vec<u8>>);

impl CsvRecords {
    /// Returns a writer with a buffer of that size, in bytes.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        let mut options = WriterBuilder::new();
        Self(options.terminator(Terminator::CRLF).from_writer(Vec::with_capacity(bytes)))
    }

    /// Writes a record. A field that a spreadsheet would take for a formula gets a leading apostrophe.
    ///
    /// # Errors
    ///
    /// When the records have different numbers of fields.
    pub(super) fn write<'f>(
        &mut self,
        fields: impl IntoIterator<Item = Cow<'f, str>>,
    ) -> Result<(), Error> {
        for field in fields {
            if field.starts_with(FORMULA_STARTS) {
                self.0.write_field(format!("'{field}"))?;
            } else {
                self.0.write_field(field.as_bytes())?;
            }
        }
        self.0.write_record(None::<&[u8]>)
    }

    /// Returns the bytes of all records.
    ///
    /// # Errors
    ///
    /// Never for a buffer in memory.
    pub(super) fn into_bytes(self) -> Result<Vec<u8>, Error> {
        self.0.into_inner().map_err(|error| error.into_error().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_fields_and_marks_formulas() {
        for (field, expected) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("=1+1", "'=1+1"),
            ("+49 30", "'+49 30"),
            ("-", "'-"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("\n=1", "\"'\n=1\""),
            ("＝1", "'＝1"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("a=1", "a=1"),
            ("'=1", "'=1"),
            ("Zoë", "Zoë"),
        ] {
            let mut records = CsvRecords::with_capacity(0);
            records.write(["first".into(), field.into()]).unwrap();
            let text = String::from_utf8(records.into_bytes().unwrap()).unwrap();
            assert_eq!(text, format!("first,{expected}\r\n"), "{field:?}");
        }
    }
}
