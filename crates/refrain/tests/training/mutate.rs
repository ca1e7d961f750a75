//! Damaged and forged recipes and model folders: opening gives an error or a model, without panic or unbounded memory.

use crate::changes::{cases, changed, changes};
use crate::support;
use burn::tensor::Device;
use proptest::prelude::*;
use refrain::files::tensors;
use refrain::params;
use refrain::recipe::Recipe;
use refrain::store::{About, Figures, MODEL, ModelFolder};
use refrain::tasks::language::LanguageRecipe;
use refrain::tasks::long_memory::MemoryRecipe;
use refrain::tasks::{Site, TASKS};
use refrain::train::Checkpoint;
use refrain_data::vocab::{Vocabulary, VocabularyKind};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// Files of a folder by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The folders of a small language model and a small sequence model with all variants of layers.
static FOLDERS: LazyLock<[Files; 2]> = LazyLock::new(|| {
    let variant = "variant = { projection = 3, layer_norm = true, zoneout_h = 0.1 }";
    let language = format!(
        "task = \"language\"\n[data]\ntext = {{ from = \"generated\", seed = 3, characters = 400 }}\n\
         vocabulary = {{ kind = \"characters\" }}\n[model]\nembedding = 4\nhidden = 5\nlayers = 2\n{variant}\n"
    );
    let memory = format!(
        "task = \"adding\"\n[data]\nkind = \"adding\"\nlength = 20\nexamples = 10\n\
         [model]\nhidden = 5\nlayers = 2\n{variant}\n"
    );
    let [language, memory] =
        [language, memory].map(|text| support::recipe(&text, &[]).expect("a recipe"));
    let device = Device::flex();
    let vocabulary = Vocabulary::build(VocabularyKind::Characters, "some letters to begin with")
        .expect("a vocabulary");
    let model = language.body::<LanguageRecipe>().expect("its task").model;
    let model = model.init(vocabulary.len(), 1, &device).expect("a model");
    let first = files(&language, params::export(&model), |path| {
        vocabulary.save(path).expect("saved");
    });
    let model = memory
        .body::<MemoryRecipe>()
        .expect("its task")
        .model
        .init([2, 1], 1, &device);
    let second = files(&memory, params::export(&model.expect("a model")), |_| {});
    [first, second]
});

fn files(recipe: &Recipe, model: Vec<params::NamedTensor>, more: impl FnOnce(&Path)) -> Files {
    let folder = tempfile::tempdir().expect("a folder");
    let about = About {
        version: "0.1.0".into(),
        figures: Figures::default(),
        recipe: recipe.clone(),
    };
    ModelFolder::create(folder.path(), about).expect("a model folder");
    tensors::save(
        &folder.path().join(MODEL),
        model,
        ("made_by", "a test".into()),
    )
    .expect("saved");
    more(folder.path());
    let all = fs::read_dir(folder.path()).expect("a folder");
    all.map(|entry| {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        (name, fs::read(entry.path()).expect("a file"))
    })
    .collect()
}

fn open(which: usize, path: &Path) -> bool {
    match which {
        0 => support::language(path).is_ok(),
        _ => TASKS
            .load(path, toml::Table::new(), &Site::default())
            .is_ok(),
    }
}

#[test]
fn the_folders_open_as_they_are() {
    for (which, files) in FOLDERS.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        assert!(open(which, folder.path()));
    }
}

/// Numbers a forged file may contain.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("0".to_string()),
        Just("-1".to_string()),
        Just("1e308".to_string()),
        Just("nan".to_string()),
        any::<i64>().prop_map(|i| i.to_string()),
        (0..64u32).prop_map(|bits| (1u64 << bits.min(62)).to_string()),
        any::<f64>().prop_map(|x| format!("{x:e}")),
    ]
}

/// The text with one of its numbers replaced; `which` is the index of the number.
fn forged(text: &[u8], which: usize, number: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut starts: Vec<usize> = text.match_indices(is_digit).map(|(at, _)| at).collect();
    starts.dedup_by(|after, before| *after == *before + 1);
    let Some(&start) = starts.get(which % starts.len().max(1)) else {
        return text.into_owned().into_bytes();
    };
    let length = text[start..]
        .find(|c| !is_digit(c))
        .unwrap_or(text.len() - start);
    format!("{}{number}{}", &text[..start], &text[start + length..]).into_bytes()
}

/// Opens a folder after replacing one of its files.
fn with_changed(which: usize, file: usize, change: impl Fn(&str, &[u8]) -> Vec<u8>) {
    let files = &FOLDERS[which % 2];
    let folder = tempfile::tempdir().unwrap();
    for (index, (name, bytes)) in files.iter().enumerate() {
        let path = folder.path().join(name);
        match index == file % files.len() {
            true => fs::write(path, change(name, bytes)).unwrap(),
            false => fs::write(path, bytes).unwrap(),
        }
    }
    open(which % 2, folder.path());
    let _ = Checkpoint::load(&folder.path().join(MODEL));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn recipes_with_changed_bytes_do_not_panic(which in 0..1000usize, changes in changes()) {
        let all: Vec<_> = TASKS.recipes().collect();
        let text = all[which % all.len()].text.as_bytes().to_vec();
        if let Ok(text) = String::from_utf8(changed(text, &changes)) {
            let _ = support::recipe(&text, &[]);
        }
    }

    #[test]
    fn recipes_with_forged_numbers_do_not_panic(which in 0..1000usize, at in 0..1000usize, number in number()) {
        let all: Vec<_> = TASKS.recipes().collect();
        let text = forged(all[which % all.len()].text.as_bytes(), at, &number);
        if let Ok(text) = String::from_utf8(text) {
            let _ = support::recipe(&text, &[]);
        }
    }

    #[test]
    fn text_at_random_is_no_recipe(text in "[ -~\n]{0,200}", setting in "[ -~]{0,40}") {
        let _ = support::recipe(&text, &[]);
        let default = TASKS.recipes().next().expect("a recipe");
        let _ = support::recipe(default.text, &[&setting]);
    }

    #[test]
    fn folders_with_changed_bytes_do_not_panic(which in 0..2usize, file in 0..6usize, changes in changes()) {
        with_changed(which, file, |_, bytes| changed(bytes.to_vec(), &changes));
    }

    #[test]
    fn folders_with_forged_numbers_do_not_panic(
        which in 0..2usize,
        file in 0..6usize,
        at in 0..1000usize,
        number in number(),
    ) {
        with_changed(which, file, |name, bytes| match name.ends_with(".safetensors") {
            // The length, the header, then numbers.
            true => {
                let length = bytes[..8].try_into().map_or(0, |b| u64::from_le_bytes(b) as usize);
                let header = forged(&bytes[8..8 + length], at, &number);
                [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat()
            }
            false => forged(bytes, at, &number),
        });
    }
}
