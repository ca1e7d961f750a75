//! Languages by their letters.

use proptest::prelude::*;
use refrain_text::language::{Detection, LanguageError, Recognizer};

const TRAINING: &[(&str, &str)] = &[
    (
        "en",
        "The two children are playing with a red ball in the garden behind the house.",
    ),
    (
        "en",
        "She thinks that nothing in this town is worth the money they want for it.",
    ),
    (
        "en",
        "What did you say when he asked you where the other shoes were?",
    ),
    (
        "en",
        "We should have been there before the train left, but it was too late.",
    ),
    (
        "en",
        "A man with a guitar is singing on the street while people walk by.",
    ),
    (
        "de",
        "Die beiden Kinder spielen im Garten hinter dem Haus mit einem roten Ball.",
    ),
    (
        "de",
        "Sie denkt, dass nichts in dieser Stadt das Geld wert ist, das man dafür will.",
    ),
    (
        "de",
        "Was hast du gesagt, als er dich fragte, wo die anderen Schuhe waren?",
    ),
    (
        "de",
        "Wir hätten dort sein sollen, bevor der Zug abfuhr, aber es war zu spät.",
    ),
    (
        "de",
        "Ein Mann mit einer Gitarre singt auf der Straße, während Leute vorbeigehen.",
    ),
    (
        "fr",
        "Les deux enfants jouent avec un ballon rouge dans le jardin derrière la maison.",
    ),
    (
        "fr",
        "Elle pense que rien dans cette ville ne vaut l'argent qu'on en demande.",
    ),
    (
        "fr",
        "Qu'est-ce que tu as dit quand il t'a demandé où étaient les autres chaussures ?",
    ),
    (
        "fr",
        "Nous aurions dû être là avant le départ du train, mais il était trop tard.",
    ),
    (
        "fr",
        "Un homme avec une guitare chante dans la rue pendant que des gens passent.",
    ),
    ("ja", "二人の子供が家の後ろの庭で赤いボールで遊んでいます。"),
    (
        "ja",
        "この町にはその値段に見合うものは何もないと彼女は思っている。",
    ),
    ("ja", "電車が出る前に着くべきだったが、もう遅かった。"),
    (
        "ko",
        "두 아이가 집 뒤의 정원에서 빨간 공을 가지고 놀고 있습니다.",
    ),
    (
        "ko",
        "그녀는 이 마을에는 그만한 돈을 낼 것이 없다고 생각한다.",
    ),
    ("ko", "기차가 떠나기 전에 도착했어야 했지만 너무 늦었다."),
];

fn recognizer() -> Recognizer {
    Recognizer::train(TRAINING.iter().copied(), 20_000).expect("a recognizer")
}

fn best(recognizer: &Recognizer, text: &str) -> String {
    recognizer
        .detect(text)
        .best()
        .map_or_else(String::new, |guess| guess.code.clone())
}

#[test]
fn unseen_sentences_are_recognised() {
    let recognizer = recognizer();
    for (code, text) in [
        ("en", "THE DOG IS SLEEPING UNDER THE TABLE."),
        ("en", "they were nothing but friends"),
        ("de", "Der Hund schläft unter dem Tisch."),
        ("de", "ich habe keine Zeit für das Spiel"),
        ("fr", "Le chien dort sous la table de la cuisine."),
        ("fr", "nous avons demandé une autre maison"),
        ("ja", "犬はテーブルの下で寝ている。"),
        ("ja", "猫"),
        ("ko", "개는 탁자 밑에서 자고 있다."),
        ("ko", "뷁"),
    ] {
        assert_eq!(
            best(&recognizer, text),
            code,
            "{text}: {:?}",
            recognizer.detect(text)
        );
    }
}

#[test]
fn probabilities_sum_to_one_and_fall() {
    let Detection::Ranked(guesses) = recognizer().detect("un") else {
        panic!("a ranking was expected");
    };
    assert_eq!(guesses.len(), 5);
    let sum: f64 = guesses.iter().map(|guess| guess.probability).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert!(guesses.is_sorted_by(|a, b| a.probability >= b.probability));
    // Two letters prove nothing; a sentence does.
    assert!(guesses[0].probability < 0.999);
    let sure = recognizer().detect("Was hast du dort im Garten gesagt?");
    assert!(sure.best().is_some_and(|guess| guess.probability > 0.99));
}

#[test]
fn the_unknown_is_unknown() {
    let recognizer = recognizer();
    for text in ["", " 12:30, 5 % …", "→ ☃ !", "\u{301}"] {
        assert_eq!(recognizer.detect(text), Detection::NoLetters, "{text}");
    }
    for text in ["Собака спит под столом.", "الكلب نائم", "Ο σκύλος κοιμάται"]
    {
        assert_eq!(recognizer.detect(text), Detection::UnknownScript, "{text}");
        assert_eq!(recognizer.detect(text).best(), None);
    }
}

#[test]
fn bytes_give_the_same_recognizer() {
    let recognizer = recognizer();
    let bytes = recognizer.to_bytes();
    assert_eq!(
        Recognizer::from_bytes(&bytes).expect("its own bytes"),
        recognizer
    );
    assert_eq!(
        recognizer.codes().collect::<Vec<_>>(),
        ["de", "en", "fr", "ja", "ko"]
    );
    for end in 0..bytes.len() {
        assert!(Recognizer::from_bytes(&bytes[..end]).is_err());
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert!(matches!(
        Recognizer::from_bytes(&longer),
        Err(LanguageError::Stored { .. })
    ));
}

#[test]
fn fewer_runs_take_fewer_bytes_and_still_tell_languages_apart() {
    let small = Recognizer::train(TRAINING.iter().copied(), 150).expect("a recognizer");
    assert!(small.to_bytes().len() * 2 < recognizer().to_bytes().len());
    assert_eq!(best(&small, "Der Hund schläft unter dem Tisch."), "de");
    assert_eq!(best(&small, "개는 탁자 밑에서 자고 있다."), "ko");
}

#[test]
fn training_needs_languages_with_letters() {
    let train = |lines: &[(&'static str, &'static str)]| {
        Recognizer::train(lines.iter().copied(), 100).map(|_| ())
    };
    assert_eq!(train(&[]), Err(LanguageError::Languages(0)));
    assert_eq!(train(&[("en", "a")]), Err(LanguageError::Languages(1)));
    assert_eq!(
        train(&[("en", "a"), ("de", "1 2 3")]),
        Err(LanguageError::NoLetters("de".to_owned()))
    );
    assert_eq!(
        train(&[("en", "a"), ("", "b")]),
        Err(LanguageError::Code(0))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_text_and_any_bytes_are_taken(
        text in any::<String>(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let small = Recognizer::train(TRAINING.iter().copied(), 50).expect("a recognizer");
        if let Detection::Ranked(guesses) = small.detect(&text) {
            prop_assert!(guesses.iter().all(|guess| guess.probability.is_finite()));
        }
        let _ = Recognizer::from_bytes(&bytes);
        let mut changed = small.to_bytes();
        let at = at.index(changed.len());
        changed[at] = value;
        if let Ok(read) = Recognizer::from_bytes(&changed) {
            read.detect(&text);
        }
    }
}
