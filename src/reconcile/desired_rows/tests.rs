//! Tests of uploads: every kind of row that can't be used, and that it makes no difference how the bytes arrive.

use serde_json::json;

use super::report::{MAX_REPORTED, MAX_ROW_BYTES, MAX_ROWS};
use super::*;

fn read(format: RowFormat, bytes: &[u8], piece: usize) -> (Vec<StagedRow>, RowReport) {
    let mut rows = DesiredRows::new(format, MatchBy::Email);
    let mut taken = Vec::new();
    for piece in bytes.chunks(piece) {
        rows.push(piece);
        taken.extend(rows.take());
    }
    rows.finish();
    taken.extend(rows.take());
    (taken, rows.into_report())
}

/// Reads an upload whole and in small pieces, which must give the same.
fn read_both(format: RowFormat, bytes: &[u8]) -> (Vec<StagedRow>, RowReport) {
    let whole = read(format, bytes, bytes.len().max(1));
    for piece in [1, 2, 3, 7] {
        assert_eq!(read(format, bytes, piece), whole, "pieces of {piece}");
    }
    whole
}

fn people(rows: &[StagedRow]) -> Vec<(i64, Value)> {
    rows.iter().map(|row| (row.row_number, row.person.clone())).collect()
}

fn errors(report: &RowReport) -> Vec<(u64, &str, &str)> {
    let errors = report.errors.iter();
    errors.map(|one| (one.row, one.column.as_deref().unwrap_or("-"), &*one.message)).collect()
}

#[test]
fn reads_all_kinds_of_columns() {
    let text = "\u{feff}email,name,workspaces,roles,groups,channel_ids,manager.id,custom_fields.Site,addresses.city,\
                addresses.country,phones,expires_at,title\r\n\
                Ada@example.com,\"Lovelace, Ada\",T1,ws:admin@T1;org:admin,S1 ; Sales \"EU\",C1;C2,U1,Berlin,London,GB,+44 1;+44 2,\
                2027-01-01T00:00:00Z,\r\n\
                \r\n\
                ,,,,,,,,,,,,\r\n\
                \"bob@example.com\",\"Bob\nthe \"\"builder\"\"\",null,null,null,,null,null,,,null,,null\r\n\
                eve@example.com,Eve,,,,,,,,,,,";
    let (rows, report) = read_both(RowFormat::Csv, text.as_bytes());
    assert_eq!(errors(&report), [], "{report:?}");
    assert_eq!((report.rows, report.bad_rows, report.is_unusable), (3, 0, false));
    let expected = [
        (
            2,
            json!({
                "email": "Ada@example.com", "name": "Lovelace, Ada",
                "workspaces": [{"id": "T1", "channel_ids": ["C1", "C2"]}],
                "roles": [{"id": "ws:admin", "workspace_id": "T1"}, {"id": "org:admin"}],
                "groups": ["S1", "Sales \"EU\""], "manager": {"id": "U1"},
                "custom_fields": {"Site": "Berlin"}, "addresses": [{"city": "London", "country": "GB"}],
                "phones": [{"number": "+44 1"}, {"number": "+44 2"}], "expires_at": "2027-01-01T00:00:00Z",
            }),
        ),
        (
            5,
            json!({
                "email": "bob@example.com", "name": "Bob\nthe \"builder\"", "workspaces": [], "roles": [],
                "groups": [], "manager": null, "custom_fields": {"Site": null}, "phones": null, "title": null,
            }),
        ),
        (7, json!({"email": "eve@example.com", "name": "Eve"})),
    ];
    assert_eq!(people(&rows), expected);
    assert_eq!(rows[0].match_key, "ada@example.com");
}

#[test]
fn names_the_line_and_the_column_of_every_bad_cell() {
    let text = b"email,user_type,workspaces,roles,channel_ids,expires_at\n\
        a@example.com,employee,,,,\n\
        b@example.com,,T1;;T2,,,\n\
        c@example.com,,T1;T2,,C1,\n\
        \"d@example.com\",\"mem\nber\",,,,\n\
        ,member,,,,\n\
        A@Example.com ,member,,,,\n\
        e@example.com,member\n\
        f@example.com,member,,,,,\n\
        g@example.com,\xff,,,,\n\
        h@example.com,,,,,tomorrow\n\
        h@example.com,,,,,\n\
        H@example.com,,,,,\n\
        i@example.com,member,T1,,,\"";
    let (rows, report) = read_both(RowFormat::Csv, text);
    let expected = [
        (2, "user_type", "unknown variant"),
        (3, "workspaces", "has an empty element"),
        (4, "channel_ids", "exactly one workspace"),
        (5, "user_type", "unknown variant"),
        (7, "email", "is required"),
        (9, "-", "has 2 cells, but the header names 6"),
        (10, "-", "has 7 cells"),
        (11, "user_type", "not valid UTF-8"),
        (12, "expires_at", ""),
        (14, "email", "is the same in row 13"),
        (15, "-", "a quote that does not end"),
    ];
    let found = errors(&report);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((row, column, message), expected) in found.into_iter().zip(expected) {
        assert_eq!((row, column), (expected.0, expected.1), "{message}");
        assert!(message.contains(expected.2), "{row}: {message}");
    }
    assert_eq!(people(&rows).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [8, 13]);
    assert_eq!((report.rows, report.bad_rows, report.is_unusable), (2, 11, false));
}

#[test]
fn a_wrong_header_makes_the_upload_unusable() {
    for (text, expected) in [
        (&b""[..], vec![(1, "-", "the header is missing")]),
        (b"\n\n", vec![(1, "-", "the header is missing")]),
        (
            b"email,E-Mail,Departement,email\na@b.c,,,\n",
            vec![
                (1, "E-Mail", "is not a field of a person"),
                (1, "Departement", "is not a field of a person; the columns are email"),
                (1, "email", "occurs more than once"),
            ],
        ),
        (
            b"Email,First Name\n",
            vec![
                (1, "Email", "did you mean `email`?"),
                (1, "First Name", "did you mean `first_name`?"),
            ],
        ),
        (b"email;name\na@b.c;A\n", vec![(1, "-", "by commas")]),
        (b"email,\xe9\n", vec![(1, "-", "not valid UTF-8")]),
        (b"email,invite\n", vec![(1, "invite", "is not a field")]),
    ] {
        let (rows, report) = read_both(RowFormat::Csv, text);
        let found = errors(&report);
        assert!(report.is_unusable && rows.is_empty(), "{found:?}");
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((row, column, message), expected) in found.into_iter().zip(expected) {
            assert_eq!((row, column), (expected.0, expected.1));
            assert!(message.contains(expected.2), "{message}");
        }
    }
}

#[test]
fn reads_lines_of_json_and_names_the_line_and_the_field_of_every_bad_one() {
    let text = b"\xef\xbb\xbf{\"email\": \"a@example.com\", \"roles\": [\"org:admin\"]}\r\n\
        \n\
        {\"email\": \"b@example.com\", \"nmae\": 1}\n\
        {\"email\": \"c@example.com\", \"email\": \"d@example.com\"}\n\
        [\"e@example.com\"]\n\
        {\"email\": \"f@example.com\"} {}\n\
        {\"email\": \"g@example.com\", \"title\": \"\xff\"}\n\
        {\"email\": \"h@example.com\", \"title\": \"\\u0000\"}\n\
        {\"email\": \"i@example.com\", \"roles\": [{\"id\": \"x\", \"place\": 1}]}\n\
        {\"name\": \"J\"}\n\
        {\"email\": \"A@example.com\"}\n\
        {\"email\": \"k@example.com\", \"invite\": true}\n\
        {\"email\": \"l@exam";
    let (rows, report) = read_both(RowFormat::Ndjson, text);
    let expected = [
        (3, "nmae", "unknown field"),
        (4, "-", "duplicate field `email`"),
        (5, "-", "not a JSON object"),
        (6, "-", "more than one JSON value"),
        (7, "-", "not valid UTF-8"),
        (8, "-", "U+0000"),
        (9, "roles.0", "unknown field `place`"),
        (10, "email", "is required"),
        (11, "email", "is the same in row 1"),
        (12, "invite", "is not allowed"),
        (13, "-", "not a JSON object"),
    ];
    let found = errors(&report);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((row, column, message), expected) in found.into_iter().zip(expected) {
        assert_eq!((row, column), (expected.0, expected.1), "{message}");
        assert!(message.contains(expected.2), "{row}: {message}");
    }
    let ada = json!({"email": "a@example.com", "roles": [{"id": "org:admin"}]});
    assert_eq!(people(&rows), [(1, ada)]);
}

#[test]
fn a_row_that_is_too_large_is_reported_and_the_next_one_read() {
    let long = "x".repeat(MAX_ROW_BYTES);
    let csv = format!("email,title\na@b.c,{long}\nd@e.f,T\ng@h.i,\"{long}\nj@k.l,{long}");
    let (rows, report) = read(RowFormat::Csv, csv.as_bytes(), 1_000);
    assert_eq!(people(&rows).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [3]);
    assert_eq!(report.errors.iter().map(|one| one.row).collect::<Vec<_>>(), [2, 4]);
    let many = format!("email\na@b.c{}\nd@e.f\n", ",x".repeat(2_000));
    let (rows, report) = read_both(RowFormat::Csv, many.as_bytes());
    assert_eq!((rows.len(), errors(&report)[0].0), (1, 2));
    let lines = format!("{{\"email\": \"{long}\"}}\n{{\"email\": \"a@b.c\"}}");
    let (rows, report) = read(RowFormat::Ndjson, lines.as_bytes(), 999);
    assert_eq!((rows.len(), errors(&report)[0].0), (1, 1));
}

#[test]
fn counts_all_bad_rows_and_reports_the_first_hundred() {
    let text = format!("email\n{}", "x,y\n".repeat(500));
    let (_, report) = read(RowFormat::Csv, text.as_bytes(), 64);
    assert_eq!((report.bad_rows, report.errors.len()), (500, MAX_REPORTED));
}

#[test]
fn more_rows_than_the_maximum_are_refused() {
    let mut rows = DesiredRows::new(RowFormat::Csv, MatchBy::Email);
    rows.push(b"email\n");
    for number in 0..=MAX_ROWS {
        rows.push(format!("{number}@example.com\n").as_bytes());
        rows.take();
    }
    rows.finish();
    let report = rows.into_report();
    assert!(report.is_unusable && report.errors[0].message.contains("more than 100000"));
}

#[test]
fn no_bytes_make_it_fail() {
    use proptest::prelude::*;
    let piece = prop_oneof![
        Just(&b","[..]),
        Just(&b"\""[..]),
        Just(&b"\n"[..]),
        Just(&b"\r"[..]),
        Just(&b"\r\n"[..]),
        Just(&b"email"[..]),
        Just(&b"a@b.c"[..]),
        Just(&b"name"[..]),
        Just(&b"null"[..]),
        Just(&b"\xff"[..]),
        Just(&b"\xef\xbb\xbf"[..]),
        Just(&b"{\"email\": \"a@b.c\"}"[..]),
        Just(&b" "[..]),
    ];
    proptest!(|(pieces in prop::collection::vec(piece, 0..40))| {
        let text: Vec<u8> = pieces.concat();
        read_both(RowFormat::Csv, &text);
        read_both(RowFormat::Ndjson, &text);
    });
}

#[test]
fn a_quote_without_an_end_hides_no_rows() {
    let text =
        b"email,department\na@example.com,\"Sales\nb@example.com,Legal\nc@example.com,\"HR\"\n\
                 d@example.com,the 3\" department\n";
    let (rows, report) = read_both(RowFormat::Csv, text);
    let found = errors(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, 2);
    assert!(found[0].2.contains("a quote before it may have no end"), "{found:?}");
    assert_eq!(people(&rows).iter().map(|(row, _)| *row).collect::<Vec<_>>(), [5]);
}
