//! What a user of the command line sees: transcripts in `tests/cmd`. `TRYCMD=overwrite cargo test --test cmd` rewrites them; times are then
//! to be replaced by `[..]`.

#[test]
fn transcripts_of_the_command_line() {
    trycmd::TestCases::new().case("tests/cmd/*.md").env("NO_COLOR", "1").env("COLUMNS", "100");
}
