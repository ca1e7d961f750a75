//! temporary
use refrain::recipe::Recipe; use refrain::tasks; use refrain::train::events::{Control, Event};
fn main() {
    let a: Vec<String> = std::env::args().skip(1).collect();
    let recipe = Recipe::find(&a[0], &a[3..]).unwrap();
    let options = tasks::TrainOptions { out: a[1].clone().into(), data: Some(a[2].clone().into()) };
    let t = std::time::Instant::now(); let mut n = 0usize; let mut busy = 0.0;
    let summary = tasks::train(&recipe, &options, &mut |e: &Event| { match e {
        Event::Step { step, loss, tokens, seconds, learning_rate, .. } => { n += tokens; busy += seconds; if step % 100 == 0 { println!("{:.1}s step {step} loss {loss:.4} {:.0} tok/s lr {learning_rate}", t.elapsed().as_secs_f64(), n as f64 / busy); n = 0; busy = 0.0; } }
        e => println!("{:.1}s {e:?}", t.elapsed().as_secs_f64()) }; Control::Continue }).unwrap();
    println!("{:?}", summary.test);
}
