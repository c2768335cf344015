//! Names of people: few common ones and many rare ones, as in a real directory.

/// Given names, the most frequent first.
#[rustfmt::skip]
const GIVEN: [&str; 60] = [
    "Maria", "Anna", "Thomas", "Daniel", "Sarah", "Michael", "Laura", "Peter", "Julia", "Martin",
    "Elena", "Andreas", "Nina", "Robert", "Sofia", "Felix", "Hannah", "Oliver", "Clara", "Simon",
    "Emma", "Lucas", "Irene", "Victor", "Paula", "Hugo", "Teresa", "Adrian", "Monica", "Oscar",
    "Judith", "Bruno", "Helena", "Samuel", "Ines", "Gregor", "Olga", "Tobias", "Vera", "Leon",
    "Amira", "Kenji", "Priya", "Omar", "Yuki", "Ravi", "Leila", "Chen", "Fatima", "Diego",
    "Ingrid", "Kofi", "Naomi", "Pavel", "Rosa", "Stefan", "Ursula", "Wanda", "Xavier", "Zora",
];
/// The parts of family names.
#[rustfmt::skip]
const STARTS: [&str; 24] = [
    "Al", "Ber", "Bran", "Cal", "Cor", "Dal", "Dor", "El", "Fal", "Gar", "Hal", "Hol",
    "Jan", "Kar", "Kol", "Lam", "Mar", "Mor", "Nor", "Pal", "Ros", "Sal", "Tor", "Wal",
];
#[rustfmt::skip]
const MIDDLES: [&str; 24] = [
    "a", "ba", "be", "ca", "da", "de", "e", "ga", "ge", "i", "ka", "ko",
    "la", "le", "ma", "mo", "na", "ne", "o", "ra", "ro", "sa", "ta", "va",
];
#[rustfmt::skip]
const ENDS: [&str; 36] = [
    "berg", "bury", "by", "dale", "den", "der", "don", "dorf", "feld", "field", "ford", "gen",
    "ham", "hart", "hurst", "lan", "land", "ley", "low", "man", "mann", "mer", "mond", "more",
    "nas", "ner", "nor", "quist", "rick", "sen", "son", "stein", "stone", "ton", "vik", "wood",
];
/// Number of different family names.
const FAMILY_NAMES: usize = 20_000;
/// A step through all combinations of parts that visits each once, so that neighbours are not alike.
const STEP: usize = 7_919;

/// The names of all people, the most frequent first.
#[derive(Debug)]
pub(crate) struct PersonNames {
    pub(crate) given: Vec<String>,
    pub(crate) family: Vec<String>,
}

impl PersonNames {
    /// Returns the same names each time.
    pub(crate) fn new() -> Self {
        let family = (0..FAMILY_NAMES).map(family_name).collect();
        Self { given: GIVEN.map(str::to_owned).into(), family }
    }
}

fn family_name(number: usize) -> String {
    let number = number * STEP % (STARTS.len() * MIDDLES.len() * ENDS.len());
    let (start, rest) = (number % STARTS.len(), number / STARTS.len());
    let (middle, end) = (rest % MIDDLES.len(), rest / MIDDLES.len());
    let parts = [STARTS.get(start), MIDDLES.get(middle), ENDS.get(end)];
    parts.into_iter().flatten().copied().collect()
}
