#![doc = "The command line of snnc."]
fn main() {}
