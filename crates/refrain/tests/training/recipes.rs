//! Recipes: what ships is complete, what is wrong is named.

use refrain::recipe::{Recipe, recipes};
use refrain::tasks::TASKS;
use refrain::train::OptimizerConfig;

fn load(overrides: &[&str]) -> Result<Recipe, String> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    Recipe::load(recipes()[0].text, &overrides).map_err(|e| e.to_string())
}

#[track_caller]
fn refused(overrides: &[&str], expect: &[&str]) {
    let error = load(overrides).unwrap_err();
    for part in expect {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains('\n'), "one line: {error}");
}

#[test]
fn every_shipped_recipe_is_complete_and_belongs_to_a_task() {
    for shipped in recipes() {
        let recipe = Recipe::find(shipped.name, &[]).unwrap();
        let h = &recipe.recipe;
        assert_eq!(h.name, shipped.name);
        for text in [
            &h.description,
            &h.data,
            &h.command,
            &h.expected,
            &h.time,
            &h.hardware,
        ] {
            assert!(!text.is_empty(), "{}", shipped.name);
        }
        let task = TASKS.iter().find(|task| task.name == recipe.task).unwrap();
        assert!(task.recipes().iter().any(|r| r.name == shipped.name));
    }
    assert_eq!(recipes()[0].name, "stories");
}

#[test]
fn the_resolved_recipe_reads_back_as_itself() {
    for shipped in recipes() {
        let recipe = Recipe::find(shipped.name, &[]).unwrap();
        assert_eq!(
            Recipe::load(&recipe.to_toml().unwrap(), &[]).unwrap(),
            recipe
        );
    }
}

#[test]
fn settings_come_on_top() {
    let recipe = load(&[
        "train.lr=1",
        "train.epochs = 3",
        "model.cell=gru",
        "generate.prime=\"a=b\"",
        "train.threads=1",
    ])
    .unwrap();
    let OptimizerConfig::AdamW(moments) = &recipe.train.optimizer else {
        panic!("{recipe:?}")
    };
    assert_eq!(moments.lr, 1.0);
    assert_eq!(recipe.train.epochs, 3);
    assert_eq!(recipe.language().unwrap().generate.prime, "a=b");
    assert_eq!(recipe.train.threads, Some(1));
}

#[test]
fn unknown_keys_are_named_with_the_closest_known_one() {
    refused(&["train.epoch=3"], &["`epoch`", "did you mean `epochs`?"]);
    refused(&["model.hiden=3"], &["`hiden`", "did you mean `hidden`?"]);
    refused(&["train.optimizer.learning=3"], &["`learning`"]);
    refused(&["trian.epochs=3"], &["`trian`", "did you mean `train`?"]);
    refused(
        &["train.average={ kind = \"none\", from_epoch = 1 }"],
        &["`from_epoch`"],
    );
    refused(&["model.cell=lsmt"], &["`lsmt`", "did you mean `lstm`?"]);
}

#[test]
fn values_that_cannot_work_are_refused() {
    refused(&["train.epochs=0"], &["train.epochs", "at least 1"]);
    refused(&["train.lr=-1"], &["train.optimizer.lr"]);
    refused(&["train.epochs=many"], &["many"]);
    refused(&["train.epochs"], &["train.epochs=3"]);
    refused(&["task.x=1"], &["\"task\""]);
    refused(&["=1"], &["is no key"]);
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let error = Recipe::load("task = \"language\"\n[data\n", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 2"), "{error}");
    let error = Recipe::load("task = \"language\"\n", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("data"), "{error}");
}

#[test]
fn a_name_that_is_almost_right_gets_a_hint() {
    let error = Recipe::find("ptb-smal", &[]).unwrap_err().to_string();
    assert!(error.contains("\"ptb-small\""), "{error}");
    let error = Recipe::find("no/such/file.toml", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("refrain list"), "{error}");
}
