//! Lists of names and places for the generator. Each name has an ASCII spelling for usernames.

use std::borrow::Cow;

use crate::sandbox::org::Location;

/// First names and their ASCII spelling.
#[rustfmt::skip]
pub(super) const FIRST_NAMES: &[(&str, &str)] = &[
    ("Ada", "ada"), ("Adrián", "adrian"), ("Aiko", "aiko"), ("Alejandra", "alejandra"),
    ("Amara", "amara"), ("Anders", "anders"), ("Anjali", "anjali"), ("Anouk", "anouk"),
    ("Arash", "arash"), ("Astrid", "astrid"), ("Beatriz", "beatriz"), ("Benedikt", "benedikt"),
    ("Björn", "bjorn"), ("Bronwyn", "bronwyn"), ("Camille", "camille"), ("Carlos", "carlos"),
    ("Chidi", "chidi"), ("Chloé", "chloe"), ("Ciara", "ciara"), ("Dalia", "dalia"),
    ("Daniel", "daniel"), ("Darya", "darya"), ("Dmitri", "dmitri"), ("Efua", "efua"),
    ("Eilidh", "eilidh"), ("Elena", "elena"), ("Emeka", "emeka"), ("Emil", "emil"),
    ("Esra", "esra"), ("Farid", "farid"), ("Fatima", "fatima"), ("Felix", "felix"),
    ("Freya", "freya"), ("Gabriel", "gabriel"), ("Giulia", "giulia"), ("Grace", "grace"),
    ("Hana", "hana"), ("Hannah", "hannah"), ("Henrik", "henrik"), ("Hiroshi", "hiroshi"),
    ("Ibrahim", "ibrahim"), ("Ines", "ines"), ("Ingrid", "ingrid"), ("Isaac", "isaac"),
    ("Ivana", "ivana"), ("Jamal", "jamal"), ("Jana", "jana"), ("Jérôme", "jerome"),
    ("Jiho", "jiho"), ("João", "joao"), ("Jonas", "jonas"), ("Joyce", "joyce"),
    ("Kai", "kai"), ("Katarzyna", "katarzyna"), ("Kenji", "kenji"), ("Khadija", "khadija"),
    ("Kofi", "kofi"), ("Lars", "lars"), ("Leila", "leila"), ("Liam", "liam"),
    ("Lin", "lin"), ("Lucía", "lucia"), ("Łukasz", "lukasz"), ("Maeve", "maeve"),
    ("Magnus", "magnus"), ("Mahesh", "mahesh"), ("Marta", "marta"), ("Mateo", "mateo"),
    ("Mei", "mei"), ("Milan", "milan"), ("Miriam", "miriam"), ("Nadia", "nadia"),
    ("Naoko", "naoko"), ("Nia", "nia"), ("Niklas", "niklas"), ("Noor", "noor"),
    ("Olga", "olga"), ("Oskar", "oskar"), ("Paloma", "paloma"), ("Pedro", "pedro"),
    ("Priya", "priya"), ("Rafael", "rafael"), ("Rosa", "rosa"), ("Ruth", "ruth"),
    ("Samir", "samir"), ("Sanne", "sanne"), ("Siobhán", "siobhan"), ("Sofia", "sofia"),
    ("Søren", "soren"), ("Tamar", "tamar"), ("Tariq", "tariq"), ("Thandi", "thandi"),
    ("Tomás", "tomas"), ("Uma", "uma"), ("Vera", "vera"), ("Viktor", "viktor"),
    ("Wei", "wei"), ("Yara", "yara"), ("Yusuf", "yusuf"), ("Zoë", "zoe"),
];

/// Family names and their ASCII spelling.
#[rustfmt::skip]
pub(super) const LAST_NAMES: &[(&str, &str)] = &[
    ("Abara", "abara"), ("Acheampong", "acheampong"), ("Almeida", "almeida"),
    ("Andersson", "andersson"), ("Aoki", "aoki"), ("Baptiste", "baptiste"), ("Bauer", "bauer"),
    ("Bennett", "bennett"), ("Bianchi", "bianchi"), ("Brânză", "branza"), ("Byrne", "byrne"),
    ("Castillo", "castillo"), ("Chandra", "chandra"), ("Chen", "chen"), ("Çelik", "celik"),
    ("Dahl", "dahl"), ("Darwish", "darwish"), ("De Vries", "devries"), ("Diallo", "diallo"),
    ("Dubois", "dubois"), ("Egede", "egede"), ("Eriksen", "eriksen"), ("Faulkner", "faulkner"),
    ("Fernández", "fernandez"), ("Fischer", "fischer"), ("Fontaine", "fontaine"),
    ("Gallagher", "gallagher"), ("García", "garcia"), ("Ghosh", "ghosh"), ("Grant", "grant"),
    ("Haddad", "haddad"), ("Hansen", "hansen"), ("Hayashi", "hayashi"), ("Herrera", "herrera"),
    ("Horvat", "horvat"), ("Hughes", "hughes"), ("Ibarra", "ibarra"), ("Ito", "ito"),
    ("Iyer", "iyer"), ("Jansen", "jansen"), ("Jovanović", "jovanovic"), ("Kaplan", "kaplan"),
    ("Karlsson", "karlsson"), ("Kaya", "kaya"), ("Keller", "keller"), ("Kim", "kim"),
    ("Kowalska", "kowalska"), ("Kumar", "kumar"), ("Laurent", "laurent"), ("Lindgren", "lindgren"),
    ("Lopes", "lopes"), ("MacLeod", "macleod"), ("Mbeki", "mbeki"), ("Mensah", "mensah"),
    ("Meyer", "meyer"), ("Moreau", "moreau"), ("Moretti", "moretti"), ("Murphy", "murphy"),
    ("Nakamura", "nakamura"), ("Navarro", "navarro"), ("Ndiaye", "ndiaye"), ("Nguyen", "nguyen"),
    ("Novák", "novak"), ("O'Brien", "obrien"), ("Obi", "obi"), ("Okafor", "okafor"),
    ("Olsen", "olsen"), ("Ortega", "ortega"), ("Park", "park"), ("Patel", "patel"),
    ("Pereira", "pereira"), ("Petrov", "petrov"), ("Popescu", "popescu"), ("Quinn", "quinn"),
    ("Rahman", "rahman"), ("Reyes", "reyes"), ("Ricci", "ricci"), ("Rossi", "rossi"),
    ("Saito", "saito"), ("Santos", "santos"), ("Schmidt", "schmidt"), ("Shapiro", "shapiro"),
    ("Sharma", "sharma"), ("Silva", "silva"), ("Singh", "singh"), ("Sørensen", "sorensen"),
    ("Sutherland", "sutherland"), ("Suzuki", "suzuki"), ("Tanaka", "tanaka"), ("Traoré", "traore"),
    ("Tremblay", "tremblay"), ("Vargas", "vargas"), ("Virtanen", "virtanen"), ("Walsh", "walsh"),
    ("Wang", "wang"), ("Weber", "weber"), ("Yilmaz", "yilmaz"), ("Zając", "zajac"),
    ("Zhang", "zhang"), ("Zimmermann", "zimmermann"),
];

/// A department: name, division, cost center, job titles from the head down.
pub(super) struct Department {
    pub(super) name: &'static str,
    pub(super) division: &'static str,
    pub(super) cost_center: &'static str,
    pub(super) titles: &'static [&'static str],
}

const fn department(
    name: &'static str,
    division: &'static str,
    cost_center: &'static str,
    titles: &'static [&'static str],
) -> Department {
    Department { name, division, cost_center, titles }
}

/// The departments.
#[rustfmt::skip]
pub(super) const DEPARTMENTS: &[Department] = &[
    department("Engineering", "Product & Technology", "CC-4100", &[
        "VP Engineering", "Engineering Manager", "Staff Engineer", "Senior Engineer",
        "Software Engineer", "Site Reliability Engineer",
    ]),
    department("Sales", "Go to Market", "CC-5200", &[
        "VP Sales", "Regional Sales Director", "Account Executive", "Sales Engineer",
        "Sales Development Representative",
    ]),
    department("Customer Support", "Go to Market", "CC-5400", &[
        "Head of Support", "Support Team Lead", "Support Engineer", "Support Specialist",
    ]),
    department("Product", "Product & Technology", "CC-4300", &[
        "Chief Product Officer", "Group Product Manager", "Product Manager", "Product Analyst",
    ]),
    department("Marketing", "Go to Market", "CC-5300", &[
        "VP Marketing", "Brand Manager", "Content Strategist", "Field Marketing Manager",
    ]),
    department("Finance", "Corporate", "CC-1100", &[
        "Chief Financial Officer", "Controller", "Senior Accountant", "Payroll Specialist",
    ]),
    department("People", "Corporate", "CC-1200", &[
        "Chief People Officer", "HR Business Partner", "Recruiter", "People Operations Specialist",
    ]),
    department("Security", "Product & Technology", "CC-4500", &[
        "Chief Information Security Officer", "Security Engineer", "Compliance Analyst",
    ]),
    department("Legal", "Corporate", "CC-1300", &[
        "General Counsel", "Corporate Counsel", "Contracts Manager",
    ]),
    department("IT", "Corporate", "CC-1400", &[
        "Head of IT", "Systems Administrator", "IT Support Technician",
    ]),
];

/// Workspaces: name, end of the domain, description.
pub(super) const WORKSPACES: &[(&str, &str, &str)] = &[
    ("Headquarters", "hq", "Announcements and everything that concerns everybody"),
    ("Engineering", "eng", "Building and running the product"),
    ("Go to Market", "gtm", "Sales, marketing and partners"),
    ("Customer Care", "care", "Support and customer success"),
    ("Corporate", "corp", "Finance, people, legal and facilities"),
    ("Research", "research", "What may become a product some day"),
    ("Security", "security", "Incidents and reviews; by invitation"),
    ("Asia Pacific", "apac", "The offices in Tokyo, Seoul and Sydney"),
    ("Europe", "emea", "The offices in Berlin, Dublin and Madrid"),
    ("Latin America", "latam", "The offices in São Paulo and Mexico City"),
    ("Manufacturing", "plant", "The two plants and their suppliers"),
    ("Partners", "partners", "Agencies and resellers"),
];

/// Channels of every workspace: name, purpose.
pub(super) const CHANNELS: &[(&str, &str)] = &[
    ("help-desk", "Ask anything about tools and access"),
    ("projects", "What is going on and who is on it"),
    ("watercooler", "Everything but work"),
    ("leads", "For those who lead a team"),
    ("summer-party-2023", "It was fun"),
];

const fn location(
    timezone: &'static str,
    timezone_label: &'static str,
    offset: i32,
    locale: &'static str,
    city: &'static str,
    country: &'static str,
) -> Location {
    Location {
        timezone: Cow::Borrowed(timezone),
        timezone_label: Cow::Borrowed(timezone_label),
        offset,
        locale: Cow::Borrowed(locale),
        city: Cow::Borrowed(city),
        country: Cow::Borrowed(country),
    }
}

/// Locations of people.
pub(super) const LOCATIONS: &[Location] = &[
    location("America/New_York", "Eastern Standard Time", -18_000, "en-US", "New York", "US"),
    location("America/Chicago", "Central Standard Time", -21_600, "en-US", "Chicago", "US"),
    location("America/Los_Angeles", "Pacific Standard Time", -28_800, "en-US", "Portland", "US"),
    location("Europe/London", "Greenwich Mean Time", 0, "en-GB", "London", "GB"),
    location("Europe/Berlin", "Central European Time", 3_600, "de-DE", "Berlin", "DE"),
    location("Europe/Madrid", "Central European Time", 3_600, "es-ES", "Madrid", "ES"),
    location("America/Sao_Paulo", "Brasilia Standard Time", -10_800, "pt-BR", "São Paulo", "BR"),
    location("Asia/Tokyo", "Japan Standard Time", 32_400, "ja-JP", "Tokyo", "JP"),
    location("Asia/Kolkata", "India Standard Time", 19_800, "en-GB", "Bengaluru", "IN"),
    location(
        "Australia/Sydney",
        "Australian Eastern Standard Time",
        36_000,
        "en-GB",
        "Sydney",
        "AU",
    ),
];

/// Names of apps with a bot account, and their usernames.
pub(super) const BOTS: &[(&str, &str)] = &[
    ("Deploy Bot", "deploybot"),
    ("Incident Keeper", "incidentkeeper"),
    ("Standup Helper", "standuphelper"),
    ("Ticket Mirror", "ticketmirror"),
    ("Lunch Picker", "lunchpicker"),
    ("On-call Roster", "oncallroster"),
    ("Expense Clerk", "expenseclerk"),
    ("Build Light", "buildlight"),
];

/// E-mail domains of guests.
pub(super) const GUEST_DOMAINS: &[&str] =
    &["brightpath.example", "studio-ostra.example", "kestrel-legal.example", "oakline.example"];
