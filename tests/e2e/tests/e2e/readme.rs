//! The README's walk through the API is true.

use std::{path::Path, process::Command};

use e2e::World;

/// The commands of the walk, each with the answer that the README shows.
fn walkthrough() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(file).unwrap();
    let block = text.split("<!-- walkthrough").nth(1).unwrap();
    let block = block
        .split("```console\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let steps = block.split("$ ").skip(1).map(|step| {
        let (command, answer) = step.trim_end().split_once('\n').unwrap();
        (command.to_owned(), answer.to_owned())
    });
    steps.collect()
}

/// Whether `answer` is what `shown` says, where … stands for anything.
fn matches(shown: &str, answer: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| answer.strip_prefix(first)) else {
        return false;
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        // The last part has to end the answer.
        rest = if part.is_empty() {
            rest
        } else {
            &rest[at + part.len()..]
        };
    }
    rest.is_empty() || shown.ends_with('…')
}

#[test]
fn what_is_shown_has_to_be_all_of_the_answer() {
    assert!(matches("{\"a\":…,\"b\":1}", "{\"a\":2,\"b\":1}"));
    assert!(!matches("{\"a\":…,\"b\":1}", "{\"a\":2,\"b\":1,\"c\":3}"));
    assert!(!matches("{\"a\":…,\"b\":1}", "{\"a\":2,\"b\":2}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through_the_api_is_true() {
    let world = World::new("readme", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let steps = walkthrough();
    assert!(steps.len() >= 8, "{steps:?}");

    for (command, shown) in steps {
        assert!(command.starts_with("curl -s "), "{command}");
        let here = command.replace("127.0.0.1:8080", &world.virtual_stock.http.to_string());
        let output = Command::new("bash").args(["-c", &here]).output().unwrap();
        let answer = String::from_utf8(output.stdout).unwrap();

        assert!(
            matches(&shown, &answer),
            "{command}\nshown:  {shown}\nanswer: {answer}"
        );
    }
}
