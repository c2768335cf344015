//! Lists of servers that differ in what they do with the parameters, and in how they count.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::position::digest;
use super::*;

/// What a server sends as `totalResults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Total {
    Right,
    None,
    PageSize,
    TooLarge,
    Constant(u64),
}

/// A server with rows 0, 1, …
#[derive(Debug, Clone, Copy)]
struct Server {
    rows: usize,
    ignores_start: bool,
    ignores_count: bool,
    /// Whether a page behind the end is the last page again.
    clamps_start: bool,
    cap: Option<usize>,
    total: Total,
    /// How many rows before a page are repeated in it.
    overlap: usize,
}

const SERVER: Server = Server {
    rows: 25,
    ignores_start: false,
    ignores_count: false,
    clamps_start: false,
    cap: None,
    total: Total::Right,
    overlap: 0,
};

impl Server {
    fn respond(&self, start: u64, count: u32) -> (Vec<usize>, Option<u64>) {
        let count = if self.ignores_count { usize::MAX } else { as_usize(count) };
        let count = self.cap.map_or(count, |cap| cap.min(count));
        let mut from = if self.ignores_start { 0 } else { usize::try_from(start).unwrap() - 1 };
        if self.clamps_start && from >= self.rows {
            from = self.rows.saturating_sub(count);
        }
        let from = from.saturating_sub(self.overlap);
        let rows: Vec<usize> = (from..self.rows).take(count).collect();
        let total = match self.total {
            Total::Right => Some(as_u64(self.rows)),
            Total::None => None,
            Total::PageSize => Some(as_u64(rows.len())),
            Total::TooLarge => Some(as_u64(self.rows) + 3),
            Total::Constant(total) => Some(total),
        };
        (rows, total)
    }

    /// Reads the whole list; returns the rows, the number of pages and that of calls.
    fn read(&self, limit: u32) -> Result<(Vec<usize>, usize, usize), String> {
        let whole = read_list(limit, |start, count| self.respond(start.unwrap_or(1), count));
        let ReadList { rows, pages, calls, .. } =
            whole.map_err(|odd| format!("{self:?}: {odd}"))?;
        Ok((rows, pages, calls))
    }
}

/// A list that was read to its end.
#[derive(Debug, PartialEq, Eq)]
struct ReadList {
    rows: Vec<usize>,
    pages: usize,
    calls: usize,
    /// Whether there may be more rows.
    is_uncertain: bool,
}

/// Reads a list from a server, whose responses have rows and a total by start index and count.
fn read_list(
    limit: u32,
    respond: impl Fn(Option<u64>, u32) -> (Vec<usize>, Option<u64>),
) -> Result<ReadList, String> {
    let mut list = ReadList { rows: Vec::new(), pages: 0, calls: 0, is_uncertain: false };
    let mut next = Some(Position::default());
    while let Some(mut at) = next {
        loop {
            list.calls += 1;
            assert!(list.calls < 2_000, "endless with a limit of {limit}");
            let count = at.count.unwrap_or(limit);
            let has_start = !at.omitted.includes(OmittedParameters::START);
            let (rows, total) = respond(has_start.then_some(at.start), count);
            let digests: Vec<_> = rows.iter().map(|row| digest(&row.to_string())).collect();
            let window = ListWindow { rows: &digests, total, has_list: true, count: Some(count) };
            match next_step(at, window, as_usize(limit))? {
                ListStep::ReadAgain(again) => at = again,
                ListStep::UncertainEnd { .. } => {
                    (list.is_uncertain, next) = (true, None);
                    break;
                }
                ListStep::Page { rows: taken, next: behind } => {
                    assert!(taken.len() <= as_usize(limit), "{taken:?}");
                    list.rows.extend(taken.iter().map(|index| rows[*index]));
                    // As in a cursor.
                    next = behind.map(|at| {
                        serde_json::from_str(&serde_json::to_string(&at).unwrap()).unwrap()
                    });
                    break;
                }
            }
        }
        list.pages += 1;
    }
    Ok(list)
}

#[test]
fn a_list_of_a_right_server_takes_a_call_a_page() {
    for (limit, calls) in [(10, 3), (24, 2), (100, 1), (7, 4)] {
        let server = Server { rows: 26, ..SERVER };
        assert_eq!(server.read(limit).unwrap(), ((0..26).collect(), calls, calls), "{limit}");
    }
    // The total of a full page may be the number of its rows, and so may that of a page whose size may be the server's
    // largest one.
    for limit in [25, 100] {
        assert_eq!(SERVER.read(limit).unwrap(), ((0..25).collect(), 2, 2), "{limit}");
    }
    assert_eq!(Server { rows: 0, ..SERVER }.read(10).unwrap(), (Vec::new(), 1, 1));
}

#[test]
fn each_row_of_odd_servers_is_returned_once() {
    let servers = [
        Server { cap: Some(4), ..SERVER },
        Server { cap: Some(4), total: Total::None, ..SERVER },
        Server { cap: Some(10), total: Total::PageSize, ..SERVER },
        Server { total: Total::None, ..SERVER },
        Server { total: Total::TooLarge, ..SERVER },
        Server { total: Total::Constant(10), ..SERVER },
        Server { total: Total::Constant(0), ..SERVER },
        Server { total: Total::PageSize, ..SERVER },
        Server { ignores_count: true, ..SERVER },
        Server { ignores_count: true, total: Total::None, ..SERVER },
        Server { ignores_start: true, ..SERVER },
        Server { ignores_start: true, total: Total::None, ..SERVER },
        Server { ignores_start: true, ignores_count: true, ..SERVER },
        Server { ignores_start: true, ignores_count: true, total: Total::None, ..SERVER },
        Server { clamps_start: true, total: Total::None, ..SERVER },
        Server { overlap: 1, total: Total::None, ..SERVER },
        Server { overlap: 1, total: Total::TooLarge, ..SERVER },
    ];
    for server in servers {
        for limit in [5, 10, 24, 25, 100] {
            let (rows, ..) = server.read(limit).unwrap_or_else(|odd| panic!("{server:?}: {odd}"));
            let set: BTreeSet<usize> = rows.iter().copied().collect();
            assert_eq!(set.len(), rows.len(), "{server:?} with a limit of {limit}: {rows:?}");
            assert_eq!(set.len(), 25, "{server:?} with a limit of {limit}: {rows:?}");
        }
    }
}

#[test]
fn a_response_with_each_row_many_times_is_a_page() {
    let rows: Vec<_> = (0..100).map(|number| digest(&(number % 4).to_string())).collect();
    let window = ListWindow { rows: &rows, total: Some(4), has_list: true, count: Some(5) };
    let page = |limit| match next_step(Position::default(), window, limit).unwrap() {
        ListStep::Page { rows, next } => (rows, next.map(|next| (next.start, next.skip))),
        ListStep::ReadAgain(_) | ListStep::UncertainEnd { .. } => panic!("no page"),
    };
    assert_eq!(page(5), (vec![0, 1, 2, 3], None));
    assert_eq!(page(3), (vec![0, 1, 2], Some((1, 3))));
    let window = ListWindow { total: Some(12), ..window };
    let ListStep::Page { next: Some(next), .. } =
        next_step(Position::default(), window, 5).unwrap()
    else {
        panic!("the list has more rows");
    };
    assert_eq!((next.start, next.skip, next.returned), (5, 0, 4));
}

#[test]
fn rows_that_can_not_be_reached_are_an_error() {
    let server = Server { ignores_start: true, cap: Some(10), ..SERVER };
    let odd = server.read(10).unwrap_err();
    assert!(odd.contains("whatever `startIndex` is") && odd.contains("25"), "{odd}");
    for (rows, limits) in [(250, &[10, 100, 200][..]), (10_050, &[200][..])] {
        let cap = Some(rows / 100 * 100);
        let server = Server { rows, ignores_start: true, cap, total: Total::None, ..SERVER };
        for limit in limits {
            let odd = server.read(*limit).unwrap_err();
            assert!(odd.contains("may have more"), "{odd}");
        }
    }
    let at = |start, count| {
        let mut at = Position { start, ..Position::default() };
        at.remember(&[digest("last")]);
        let window = ListWindow { rows: &[], total: count, has_list: true, count: Some(10) };
        next_step(at, window, 10)
    };
    assert!(at(1, Some(5)).unwrap_err().contains("`totalResults` is 5"));
    assert_eq!(at(1, Some(0)), Ok(ListStep::nothing(None)));
    assert_eq!(at(11, Some(10)), Ok(ListStep::nothing(None)));
    let ListStep::ReadAgain(again) = at(11, Some(12)).unwrap() else { panic!("not read again") };
    assert_eq!((again.start, again.mode), (11, ReadMode::EmptyPage));
    let empty = ListWindow { rows: &[], total: Some(12), has_list: true, count: Some(10) };
    let ListStep::ReadAgain(last) = next_step(again, empty, 10).unwrap() else {
        panic!("no second look")
    };
    assert_eq!((last.start, last.count, last.mode), (10, Some(1), ReadMode::LastRow));
    let look = |row: Option<&str>| {
        let rows: Vec<_> = row.into_iter().map(digest).collect();
        let window = ListWindow { rows: &rows, total: Some(12), has_list: true, count: Some(1) };
        next_step(last.clone(), window, 10)
    };
    assert_eq!(look(Some("last")), Ok(ListStep::nothing(None)));
    for odd in [Some("other"), None] {
        assert!(look(odd).unwrap_err().contains("begins at 11"), "{odd:?}");
    }
    let none = ListWindow { rows: &[], total: None, has_list: false, count: Some(10) };
    assert!(next_step(Position::default(), none, 10).unwrap_err().contains("neither"));
    let absent = ListWindow { total: Some(12), ..none };
    for start in [1, 11] {
        let at = Position { start, ..Position::default() };
        assert!(next_step(at, absent, 10).is_err(), "a list is absent at {start}");
    }
}

/// Returns the rows of a list of this length from an index, as many as are requested.
fn window_of(rows: usize, from: usize, count: u32) -> (Vec<usize>, Option<u64>) {
    ((0..rows).skip(from).take(as_usize(count)).collect(), Some(as_u64(rows)))
}

#[test]
fn rows_that_no_page_has_are_found_at_the_end() {
    let index = |start: Option<u64>| usize::try_from(start.unwrap_or(1)).unwrap();
    let by_pages = |start: Option<u64>, count: u32| {
        window_of(1_000, (index(start) - 1) * as_usize(count), count)
    };
    let list = read_list(100, by_pages).unwrap();
    assert_eq!((list.rows, list.is_uncertain), ((0..1_000).collect(), false));

    let from_zero =
        |start: Option<u64>, count| window_of(25, start.map_or(0, |_| index(start)), count);
    let list = read_list(10, from_zero).unwrap();
    assert_eq!(list.rows, (1..25).chain([0]).collect::<Vec<_>>());
    assert!(!list.is_uncertain);

    let is_first = std::cell::Cell::new(true);
    let empty_once = |start: Option<u64>, count: u32| {
        let is_empty = index(start) > 10 && is_first.replace(false);
        window_of(25, index(start) - 1, if is_empty { 0 } else { count })
    };
    let list = read_list(10, empty_once).unwrap();
    assert_eq!((list.rows, list.is_uncertain), ((0..25).collect(), false));
}

#[test]
fn an_end_is_uncertain_where_the_server_counts_more_rows_than_it_returns() {
    let server = |known: u64, cap: u32| {
        move |start: Option<u64>, count: u32| {
            let from = usize::try_from(start.unwrap_or(1)).unwrap() - 1;
            let left = usize::try_from(known).unwrap().saturating_sub(from);
            let (mut rows, total) = window_of(5_000, from, count.min(cap));
            rows.truncate(left);
            (rows, total)
        }
    };
    for (known, cap, is_uncertain) in
        [(200, 100, true), (200, 5_000, true), (2_500, 5_000, true), (201, 5_000, false)]
    {
        let list = read_list(100, server(known, cap)).unwrap();
        assert_eq!(as_u64(list.rows.len()), known);
        assert_eq!(list.is_uncertain, is_uncertain, "{known} rows, at most {cap}");
    }
}

fn servers() -> impl Strategy<Value = Server> {
    let total = prop_oneof![Just(Total::Right), Just(Total::None), Just(Total::TooLarge)];
    let cap = proptest::option::of(1_usize..150);
    (1_usize..300, any::<[bool; 3]>(), cap, total, 0_usize..5).prop_map(
        |(rows, [ignores_start, ignores_count, clamps_start], cap, total, overlap)| Server {
            rows,
            ignores_start,
            ignores_count,
            clamps_start,
            cap,
            total,
            overlap: if clamps_start { 0 } else { overlap },
        },
    )
}

proptest! {
    #[test]
    fn no_list_is_endless_or_has_a_row_twice(server in servers(), limit in 1_u32..200) {
        let Ok((rows, ..)) = server.read(limit) else { return Ok(()) };
        let set: BTreeSet<usize> = rows.iter().copied().collect();
        prop_assert_eq!(set.len(), rows.len(), "{:?}", rows);
    }

    #[test]
    fn a_server_that_honours_the_start_index_is_read_completely(
        server in servers(),
        limit in 1_u32..200,
    ) {
        let server = Server { ignores_start: false, clamps_start: false, overlap: 0, ..server };
        let (rows, ..) = server.read(limit).map_err(TestCaseError::fail)?;
        prop_assert_eq!(rows, (0..server.rows).collect::<Vec<_>>());
    }

    #[test]
    fn a_server_that_ignores_the_start_index_is_read_completely_or_not_at_all(
        server in servers(),
        limit in 1_u32..200,
    ) {
        let server = Server { ignores_start: true, total: Total::Right, overlap: 0, ..server };
        let Ok((rows, ..)) = server.read(limit) else {
            prop_assert!(server.cap.is_some_and(|cap| cap < server.rows));
            return Ok(());
        };
        prop_assert_eq!(rows, (0..server.rows).collect::<Vec<_>>());
    }
}
