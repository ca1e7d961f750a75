//! Recipes: shipped ones are complete, and errors name the problem.

use refrain::recipe::Recipe;
use refrain::tasks::TASKS;
use refrain::tasks::language::LanguageRecipe;
use refrain::train::OptimizerConfig;

fn load(overrides: &[&str]) -> Result<Recipe, String> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let default = TASKS.recipes().next().expect("a default recipe");
    TASKS
        .read(default.text, &overrides, default.name)
        .map_err(|e| e.to_string())
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
    for shipped in TASKS.recipes() {
        let recipe = TASKS.recipe(shipped.name, &[]).unwrap();
        let h = &recipe.recipe;
        assert_eq!(h.name, shipped.name);
        for text in [&h.description, &h.data, &h.command] {
            assert!(!text.is_empty(), "{}", shipped.name);
        }
        // A figure belongs to a time and a machine. A recipe without a figure is untried.
        assert_eq!(h.expected.is_empty(), h.time.is_empty(), "{}", shipped.name);
        let task = TASKS.find(&recipe.task).unwrap().profile();
        assert!(task.recipes.iter().any(|r| r.name == shipped.name));
    }
    assert_eq!(TASKS.recipes().next().unwrap().name, "stories");
}

#[test]
fn every_template_is_a_recipe_of_its_task() {
    for task in TASKS.iter() {
        let profile = task.profile();
        let recipe = TASKS.read(profile.template, &[], profile.name).unwrap();
        assert_eq!(recipe.task, profile.name);
        // A commented key is valid, too: after removing its mark the file still reads, one key at a time.
        let commented = profile.template.lines().filter(|line| {
            let key = line
                .strip_prefix("# ")
                .and_then(|line| line.split_once(" = "));
            key.is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        });
        for line in commented {
            let text = profile.template.replacen(line, &line[2..], 1);
            let read = TASKS.read(&text, &[], profile.name);
            assert!(read.is_ok(), "{}: {line}: {:?}", profile.name, read.err());
        }
    }
}

#[test]
fn the_resolved_recipe_reads_back_as_itself() {
    for shipped in TASKS.recipes() {
        let recipe = TASKS.recipe(shipped.name, &[]).unwrap();
        let text = recipe.to_toml().unwrap();
        assert_eq!(TASKS.read(&text, &[], "text").unwrap(), recipe);
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
    assert_eq!(
        recipe.body::<LanguageRecipe>().unwrap().generate.prime,
        "a=b"
    );
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
    refused(&["data.vocabulary.kind=bytes"], &["`characters`"]);
    let error = load(&["data.vocabulary.kind=bytes"]).unwrap_err();
    assert!(
        !error.contains("`train`"),
        "the keys of another table: {error}"
    );
    // A key of another task.
    refused(&["train.time=5"], &["`time`", "data.time"]);
    let fsdd = TASKS.recipe("fsdd", &["train.time=5".into()]);
    assert!(fsdd.unwrap_err().to_string().contains("`time`"));
}

#[test]
fn values_that_cannot_work_are_refused() {
    refused(&["train.epochs=0"], &["train.epochs", "at least 1"]);
    refused(&["train.lr=-1"], &["train.optimizer.lr"]);
    refused(&["train.epochs=many"], &["many"]);
    refused(&["train.epochs"], &["train.epochs=3"]);
    refused(&["task.x=1"], &["\"task\""]);
    refused(&["=1"], &["is no key"]);
    let deep = format!("{}a=1", "a.".repeat(30_000));
    refused(&[deep.as_str()], &["30001 parts"]);
    refused(&["generate.temperature=-1"], &["temperature"]);
    refused(&["data.time=0"], &["data.time"]);
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let read = |text| TASKS.read(text, &[], "text").unwrap_err().to_string();
    let error = read("task = \"language\"\n[data\n");
    assert!(error.contains("line 2"), "{error}");
    let error = read("task = \"language\"\n");
    assert!(error.contains("data"), "{error}");
}

#[test]
fn a_name_that_is_almost_right_gets_a_hint() {
    let error = TASKS.recipe("ptb-smal", &[]).unwrap_err().to_string();
    assert!(error.contains("\"ptb-small\""), "{error}");
    let error = TASKS
        .recipe("no/such/file.toml", &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("refrain list"), "{error}");
}
