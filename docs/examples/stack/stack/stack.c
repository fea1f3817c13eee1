/* Stack, a language of words on a stack of numbers: its compiler, its linker and
 * the machine that runs what they make, in one program.
 *
 *   stack compile SOURCE OBJECT… -o OBJECT    an object of a source, which may use
 *                                             the words of other objects
 *   stack link -o PROGRAM OBJECT…             a program: what the first one does
 *
 * An object is text: `word NAME …` and `main …`, one a line. A program is this
 * one, with objects and their size at its end. */

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WORDS = 512, NUMBERS = 256, CALLS = 1000, TRAILER = 24 };

static const char *const primitives[] = {"+",    "-",    "*",    "=",     "<",
                                         "dup",  "drop", "swap", "print", "assert"};

static struct {
    const char *name, *body;
} words[WORDS];
static int word_count;
static long numbers[NUMBERS];
static int depth;

static _Noreturn void fail(const char *where, int line, const char *what, const char *about) {
    fputs(where, stderr);
    if (line) fprintf(stderr, ":%d", line);
    fprintf(stderr, ": %s `%s`\n", what, about);
    exit(1);
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail("stack", 0, "cannot read", path);
    *size = (size_t)ftell(file);
    char *bytes = malloc(*size + 1);
    rewind(file);
    if (!bytes || fread(bytes, 1, *size, file) != *size) fail("stack", 0, "cannot read", path);
    fclose(file);
    bytes[*size] = 0;
    return bytes;
}

static FILE *create(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) fail("stack", 0, "cannot write", path);
    return file;
}

static int is_primitive(const char *token) {
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
        if (!strcmp(primitives[i], token)) return 1;
    return 0;
}

static int is_number(const char *token) {
    return isdigit((unsigned char)token[*token == '-']) != 0;
}

static const char *find(const char *name) {
    for (int i = 0; i < word_count; i++)
        if (!strcmp(words[i].name, name)) return words[i].body;
    return NULL;
}

static void define(const char *where, int line, const char *name, const char *body) {
    if (is_primitive(name) || is_number(name)) fail(where, line, "cannot define", name);
    if (find(name)) fail(where, line, "defined twice:", name);
    if (word_count == WORDS) fail(where, line, "too many words at", name);
    words[word_count].name = name;
    words[word_count++].body = body;
}

/* Takes the words of objects, and returns the first `main`. */
static const char *load(const char *where, char *text) {
    const char *start = "";
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strncmp(line, "main", 4) && !*start) start = line + 4;
        if (strncmp(line, "word ", 5)) continue;
        char *body = strchr(line + 5, ' ');
        if (!body) body = line + strlen(line);
        else *body++ = 0;
        define(where, 0, line + 5, body);
    }
    return start;
}

static void compile(int count, char **arguments) {
    const char *source = arguments[0], *object = NULL;
    size_t size;
    for (int i = 1; i < count; i++) {
        if (!strcmp(arguments[i], "-o") && i + 1 < count) object = arguments[++i];
        else load(arguments[i], read_file(arguments[i], &size));
    }
    if (!object) fail("stack", 0, "nowhere to put", source);
    char *text = read_file(source, &size), *next = text;
    char *start = calloc(1, 2 * size + 1), *end = start;
    FILE *out = create(object);
    int inside = 0, line = 1;
    while (*next) {
        if (*next == '\n') line++;
        if (*next == '#') {
            next += strcspn(next, "\n");
        } else if (isspace((unsigned char)*next)) {
            next++;
        } else {
            size_t length = strcspn(next, " \t\r\n");
            char *token = strndup(next, length);
            next += length;
            if (!strcmp(token, ":") && !inside) {
                next += strspn(next, " \t");
                length = strcspn(next, " \t\r\n");
                char *name = strndup(next, length);
                next += length;
                define(source, line, name, "");
                fprintf(out, "word %s", name);
                inside = 1;
            } else if (!strcmp(token, ";") && inside) {
                fputc('\n', out);
                inside = 0;
            } else if (!is_number(token) && !is_primitive(token) && !find(token)) {
                fail(source, line, "unknown word", token);
            } else if (inside) {
                fprintf(out, " %s", token);
            } else {
                end += sprintf(end, " %s", token);
            }
        }
    }
    if (inside) fail(source, line, "no `;` at the end of", source);
    fprintf(out, "main%s\n", start);
    if (fclose(out)) fail("stack", 0, "cannot write", object);
}

static void link_program(int count, char **arguments) {
    if (count < 3 || strcmp(arguments[0], "-o")) fail("stack", 0, "nothing to", "link");
    size_t size, total = 0;
    FILE *out = create(arguments[1]);
    char *own = read_file("/proc/self/exe", &size);
    fwrite(own, 1, size, out);
    for (int i = 2; i < count; i++) {
        char *object = read_file(arguments[i], &size);
        fwrite(object, 1, size, out);
        total += size;
        load(arguments[i], object);
    }
    fprintf(out, "\nSTACK %016zx\n", total);
    if (fclose(out) || chmod(arguments[1], 0755)) fail("stack", 0, "cannot write", arguments[1]);
}

static long pop(const char *token) {
    if (!depth) fail("stack", 0, "nothing left for", token);
    return numbers[--depth];
}

static void push(long number) {
    if (depth == NUMBERS) fail("stack", 0, "no room for", "a number");
    numbers[depth++] = number;
}

static void primitive(const char *token) {
    long top = pop(token);
    if (!strcmp(token, "dup")) push(top), push(top);
    else if (!strcmp(token, "print")) printf("%ld\n", top);
    else if (!strcmp(token, "assert")) {
        if (!top) fail("stack", 0, "failed:", token);
    } else if (strcmp(token, "drop")) {
        long below = pop(token);
        if (*token == '+') push(below + top);
        else if (*token == '-') push(below - top);
        else if (*token == '*') push(below * top);
        else if (*token == '=') push(below == top);
        else if (*token == '<') push(below < top);
        else push(top), push(below); /* swap */
    }
}

static void run(const char *body, int calls) {
    char token[128];
    int length;
    if (calls == CALLS) fail("stack", 0, "too deep:", body);
    for (; sscanf(body, "%127s%n", token, &length) == 1; body += length) {
        const char *word = find(token);
        if (word) run(word, calls + 1);
        else if (is_number(token)) push(strtol(token, NULL, 10));
        else if (is_primitive(token)) primitive(token);
        else fail("stack", 0, "unknown word", token);
    }
}

int main(int count, char **arguments) {
    size_t size, total;
    char *own = read_file("/proc/self/exe", &size);
    if (size > TRAILER && sscanf(own + size - TRAILER, "\nSTACK %16zx", &total) == 1 &&
        total < size - TRAILER) {
        own[size - TRAILER] = 0;
        run(load("stack", own + size - TRAILER - total), 0);
        return 0;
    }
    if (count > 2 && !strcmp(arguments[1], "compile")) compile(count - 2, arguments + 2);
    else if (count > 2 && !strcmp(arguments[1], "link")) link_program(count - 2, arguments + 2);
    else {
        fprintf(stderr, "usage: stack compile SOURCE OBJECT… -o OBJECT\n"
                        "       stack link -o PROGRAM OBJECT…\n");
        return 2;
    }
    return 0;
}
