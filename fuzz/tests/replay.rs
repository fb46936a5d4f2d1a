//! Every file of every corpus goes through its target. A crash found by fuzzing is put into the corpus and
//! stays mended for good.

use axbridge_fuzz::TARGETS;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn the_corpora_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut folders: BTreeSet<String> = std::fs::read_dir(&root)
        .expect("corpus folder")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .into_string()
                .expect("UTF-8 name")
        })
        .collect();
    for (name, target) in TARGETS {
        assert!(folders.remove(*name), "no corpus for {name}");
        let mut count = 0;
        for entry in std::fs::read_dir(root.join(name)).expect("corpus") {
            let path = entry.expect("entry").path();
            println!("{}", path.display());
            target(&std::fs::read(&path).expect("seed"));
            count += 1;
        }
        assert!(count >= 3, "{name} has {count} seeds");
    }
    assert!(folders.is_empty(), "corpora without a target: {folders:?}");
}

#[test]
fn every_target_has_its_binary() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("manifest");
    for (name, _) in TARGETS {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
            "{name} is not in Cargo.toml"
        );
        assert!(
            root.join(format!("fuzz_targets/{name}.rs")).exists(),
            "no fuzz_targets/{name}.rs"
        );
    }
}
