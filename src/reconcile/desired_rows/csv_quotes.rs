//! Checks the quotes of CSV (RFC 4180, section 2): text behind the closing quote of a cell is a sign that a quote before
//! it has no end, which joins rows.

/// Where in a record the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// At the beginning of a cell.
    #[default]
    CellBegin,
    /// In a cell without quotes around it.
    Plain,
    /// Between the quotes of a cell.
    Quoted,
    /// Behind a quote between quotes: it ends the cell, or is the first of two.
    Quote,
    /// Behind the closing quote and spaces.
    CellEnd,
}

/// The quotes of one record.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CsvQuotes {
    place: Place,
    is_misplaced: bool,
}

impl CsvQuotes {
    /// Reads bytes of the record.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let is_quote = *byte == b'"';
            let is_end = matches!(byte, b',' | b'\r' | b'\n');
            self.place = match self.place {
                Place::Quoted if is_quote => Place::Quote,
                Place::Quoted => Place::Quoted,
                Place::Quote | Place::CellBegin if is_quote => Place::Quoted,
                Place::CellBegin | Place::Plain | Place::Quote | Place::CellEnd if is_end => {
                    Place::CellBegin
                }
                Place::Quote | Place::CellEnd if matches!(byte, b' ' | b'\t') => Place::CellEnd,
                // Quotes in a cell without quotes around it are text.
                Place::CellBegin | Place::Plain => Place::Plain,
                Place::Quote | Place::CellEnd => {
                    self.is_misplaced = true;
                    Place::Plain
                }
            };
        }
    }

    /// Whether a quote has no end yet.
    pub(super) fn is_open(self) -> bool {
        self.place == Place::Quoted
    }

    /// Whether a quote is where none may be.
    pub(super) fn is_misplaced(self) -> bool {
        self.is_misplaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_quotes_that_would_join_rows() {
        for (record, is_misplaced) in [
            ("a,b\n", false),
            ("\"a, \"\"b\"\"\nc\",\"\"\r\n", false),
            ("\"a\" ,b", false),
            ("a@x.com,\"Sales\nb@x.com,Legal\nc@x.com,\"HR\"\n", true),
            ("a,the 5\" disk\n", false),
            ("\"a\"b,c\n", true),
            ("\"a\" \"b\",c\n", true),
        ] {
            let mut quotes = CsvQuotes::default();
            quotes.read(record.as_bytes());
            assert_eq!(quotes.is_misplaced(), is_misplaced, "{record}");
            assert!(!quotes.is_open(), "{record}");
        }
    }
}
