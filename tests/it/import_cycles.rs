//! No two source files import each other, not even through others: a file can be read after those that it uses.
//!
//! An import through a folder that re-exports counts as an import of the file that declares the name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syn::{Item, ItemUse, UseTree, Visibility};

use crate::support::source_files::source_files;

/// A module's path below the crate's root.
type Module = Vec<String>;

/// An import: the module where its path leads, and what of the path is left there.
#[derive(Debug, Clone)]
struct Import {
    module: Module,
    rest: Vec<String>,
}

/// The imports of one file.
#[derive(Debug, Default)]
struct Imports {
    /// Those that the file uses itself.
    own: Vec<Import>,
    /// Those that it re-exports, by the name that they have here.
    exported: BTreeMap<String, Import>,
}

/// The items of each file.
fn files() -> anyhow::Result<BTreeMap<Module, Vec<Item>>> {
    let mut found = BTreeMap::new();
    for (path, text) in source_files()? {
        let mut module: Module = path
            .with_extension("")
            .iter()
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        if module.last().is_some_and(|name| name == "mod" || name == "lib") {
            module.pop();
        }
        found.insert(module, syn::parse_file(&text)?.items);
    }
    Ok(found)
}

/// The paths of a `use`, each with the name that it has here.
fn paths(tree: &UseTree, before: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let joined = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => paths(&path.tree, &joined(&path.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| paths(tree, before, found)),
        UseTree::Name(name) if name.ident == "self" => {
            found.push((before.to_vec(), before.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => found.push((joined(&name.ident), name.ident.to_string())),
        UseTree::Rename(rename) => found.push((joined(&rename.ident), rename.rename.to_string())),
        UseTree::Glob(_) => found.push((before.to_vec(), "*".to_owned())),
    }
}

/// Where a path leads that a module imports; `None` for another crate's.
fn resolve(
    module: &[String],
    path: &[String],
    files: &BTreeMap<Module, Vec<Item>>,
) -> Option<Import> {
    let mut rest = path.iter().peekable();
    let mut at: Module = match rest.peek()?.as_str() {
        "crate" => {
            rest.next();
            Vec::new()
        }
        "self" => {
            rest.next();
            module.to_vec()
        }
        "super" => {
            let mut at = module.to_vec();
            while rest.next_if(|name| *name == "super").is_some() {
                at.pop();
            }
            at
        }
        name => {
            files.contains_key(&[module, &[name.to_owned()]].concat()).then(|| module.to_vec())?
        }
    };
    while let Some(name) = rest.peek() {
        let below = [&at[..], &[(*name).clone()]].concat();
        if !files.contains_key(&below) {
            break;
        }
        at = below;
        rest.next();
    }
    Some(Import { module: at, rest: rest.cloned().collect() })
}

fn imports(module: &[String], items: &[Item], files: &BTreeMap<Module, Vec<Item>>) -> Imports {
    let mut imports = Imports::default();
    let is_test =
        |item: &ItemUse| item.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"));
    let uses = items.iter().filter_map(|item| {
        let Item::Use(item) = item else { return None };
        (!is_test(item)).then_some(item)
    });
    for item in uses {
        let mut found = Vec::new();
        paths(&item.tree, &[], &mut found);
        for (path, name) in found {
            let Some(import) = resolve(module, &path, files) else { continue };
            if matches!(item.vis, Visibility::Inherited) {
                imports.own.push(import);
            } else {
                imports.exported.insert(name, import);
            }
        }
    }
    imports
}

/// The module that declares what is imported, behind all re-exports.
fn declared(import: &Import, all: &BTreeMap<Module, Imports>) -> Module {
    let mut import = import.clone();
    // As many as no chain of re-exports has.
    for _ in 0..10 {
        let exported =
            import.rest.first().and_then(|name| all.get(&import.module)?.exported.get(name));
        let Some(exported) = exported else { break };
        import = exported.clone();
    }
    import.module
}

/// The shortest way from a module back to itself.
fn cycle(from: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut ways = VecDeque::from([vec![from.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in edges.get(way.last()?).into_iter().flatten() {
            if next == from {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push_back([&way[..], std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

#[test]
fn no_files_import_each_other() -> anyhow::Result<()> {
    let files = files()?;
    let all: BTreeMap<Module, Imports> = files
        .iter()
        .map(|(module, items)| (module.clone(), imports(module, items, &files)))
        .collect();
    let edges: BTreeMap<Module, BTreeSet<Module>> = all
        .iter()
        .map(|(module, imports)| {
            let declared = imports.own.iter().map(|import| declared(import, &all));
            (module.clone(), declared.filter(|used| used != module).collect())
        })
        .collect();
    let mut wrong = BTreeSet::new();
    for module in edges.keys() {
        if let Some(cycle) = cycle(module, &edges) {
            let mut cycle: Vec<String> = cycle.iter().map(|module| module.join("::")).collect();
            let first = cycle.iter().enumerate().min_by_key(|(_, name)| (*name).clone());
            let first = first.map_or(0, |(index, _)| index);
            cycle.rotate_left(first);
            wrong.insert(cycle.join(" -> "));
        }
    }
    assert!(
        wrong.is_empty(),
        "these files import each other; move what both need to a file of its own:\n{}",
        wrong.into_iter().collect::<Vec<_>>().join("\n")
    );
    Ok(())
}
