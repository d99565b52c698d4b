// Gives a `_newline` where a line break ends a declaration or a statement: not where the next line begins with something that can only
// continue one. What follows is looked at without being consumed.

#include "tree_sitter/parser.h"

#include <string.h>

enum TokenType { NEWLINE };

// Words that begin no line of their own.
static const char *const CONTINUES[] = {"and",  "or",   "in",   "then",    "else", "via",       "where",  "with", "through",
                                        "over", "by",   "hold", "crosses", "to",   "surrogate", "until",  "batch", "epochs"};

static bool word_char(int32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void *tree_sitter_snn_external_scanner_create(void) { return NULL; }
void tree_sitter_snn_external_scanner_destroy(void *payload) { (void)payload; }
unsigned tree_sitter_snn_external_scanner_serialize(void *payload, char *buffer) {
  (void)payload;
  (void)buffer;
  return 0;
}
void tree_sitter_snn_external_scanner_deserialize(void *payload, const char *buffer, unsigned length) {
  (void)payload;
  (void)buffer;
  (void)length;
}

bool tree_sitter_snn_external_scanner_scan(void *payload, TSLexer *lexer, const bool *valid_symbols) {
  (void)payload;
  if (!valid_symbols[NEWLINE]) return false;
  while (lexer->lookahead == ' ' || lexer->lookahead == '\t' || lexer->lookahead == '\r') lexer->advance(lexer, true);
  if (lexer->lookahead != '\n') return false;
  lexer->advance(lexer, false);
  lexer->mark_end(lexer);
  lexer->result_symbol = NEWLINE;
  // Empty lines and comments.
  for (;;) {
    while (lexer->lookahead == ' ' || lexer->lookahead == '\t' || lexer->lookahead == '\r' || lexer->lookahead == '\n') {
      lexer->advance(lexer, false);
    }
    if (lexer->lookahead != '#') break;
    while (lexer->lookahead != '\n' && !lexer->eof(lexer)) lexer->advance(lexer, false);
  }
  int32_t c = lexer->lookahead;
  if (strchr("+-*/%^<>=!,)]{", (int)c) != NULL && c != 0 && c < 128) return false;
  char word[16];
  unsigned n = 0;
  while (word_char(lexer->lookahead) && n < sizeof word - 1) {
    word[n++] = (char)lexer->lookahead;
    lexer->advance(lexer, false);
  }
  word[n] = 0;
  for (unsigned k = 0; k < sizeof CONTINUES / sizeof *CONTINUES; k++) {
    if (strcmp(word, CONTINUES[k]) == 0) return false;
  }
  if (strcmp(word, "every") == 0) {
    // With a block it is periodic code, without one the period of a `record`.
    while (lexer->lookahead != '\n' && lexer->lookahead != '#' && !lexer->eof(lexer)) {
      if (lexer->lookahead == '{') return true;
      lexer->advance(lexer, false);
    }
    return false;
  }
  return true;
}
