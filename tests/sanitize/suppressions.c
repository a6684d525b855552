// What LeakSanitizer finds in the libraries of others, in every program of the sanitized build.
const char *__lsan_default_suppressions(void);

// libgit2 1.5 loses its match data whenever a pattern does not match a configuration key.
const char *__lsan_default_suppressions(void)
{
    return "leak:libpcre2\n";
}
