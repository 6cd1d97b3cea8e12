// SPDX-License-Identifier: GPL-2.0-only
/* What is printed: a table, or JSON; and how that cannot do harm. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "iommu-recovery.h"

static const struct column {
	const char *title, *key;
	size_t offset;
	bool is_number;
} columns[] = {
	{ "DEVICE", "device", offsetof(struct device, name), false },
	{ "BUS", "bus", offsetof(struct device, bus), false },
	{ "DRIVER", "driver", offsetof(struct device, driver), false },
	{ "GROUP", "group", offsetof(struct device, group), true },
	{ "STATE", "state", offsetof(struct device, state), false },
	{ "REASON", "reason", offsetof(struct device, reason), false },
	{ "COUNT", "quarantine_count", offsetof(struct device, count), true },
};

static const char *value(const struct device *dev, const struct column *column)
{
	return (const char *)dev + column->offset;
}

const char *safe(const char *word)
{
	static char texts[4][4 * NAME_MAX + 1];
	static unsigned int next;
	char *text = texts[next++ % ARRAY_SIZE(texts)], *p = text;

	for (word = *word ? word : "-"; *word && p <= text + 4 * (NAME_MAX - 1); word++) {
		unsigned char c = *word;

		if (c > ' ' && c < 0x7f && c != '\\')
			*p++ = c;
		else
			p += sprintf(p, "\\x%02x", c);
	}
	*p = '\0';
	return text;
}

enum status flush(enum status status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	complain("cannot write: %s", strerror(errno));
	return ST_TROUBLE;
}

/* Take one character of UTF-8 from the text; U+FFFD stands for a byte that is in none. */
static unsigned int next_character(const unsigned char **text)
{
	static const unsigned int least[] = { 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = *text;
	unsigned int c = *p++;
	int more, i;

	*text = p;
	if (c < 0x80)
		return c;
	more = (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : (c & 0xf8) == 0xf0 ? 3 : 0;
	if (!more)
		return 0xfffd;
	c &= 0x3f >> more;
	for (i = 0; i < more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0xfffd;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0xfffd;
	*text = p + more;
	return c;
}

/* ASCII only: JSON goes to terminals as well. */
static void put_json_string(const char *string)
{
	const unsigned char *text = (const unsigned char *)string;

	putchar('"');
	while (*text) {
		unsigned int c = next_character(&text);

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c >= ' ' && c < 0x7f)
			putchar(c);
		else if (c < 0x10000)
			printf("\\u%04x", c);
		else
			printf("\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
	}
	putchar('"');
}

static bool is_json_number(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	/* Beyond that it is not exact everywhere. */
	return digits && !text[digits] && digits <= 15 && (*text != '0' || digits == 1);
}

void print_json_members(const struct device *dev)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(columns); i++) {
		const char *text = value(dev, &columns[i]);

		printf("%s\"%s\":", i ? "," : "", columns[i].key);
		if (!*text)
			fputs("null", stdout);
		else if (columns[i].is_number && is_json_number(text))
			fputs(text, stdout);
		else
			put_json_string(text);
	}
}

bool is_active(const struct device *dev)
{
	return !strcmp(dev->state, "active");
}

bool is_shown(const struct device *dev)
{
	return !opt.fenced_only || !is_active(dev);
}

static void print_json(const struct devices *devices)
{
	const char *between = "\n";
	size_t i;

	putchar('[');
	for (i = 0; i < devices->nr; i++) {
		if (!is_shown(&devices->all[i]))
			continue;
		printf("%s {", between);
		print_json_members(&devices->all[i]);
		putchar('}');
		between = ",\n";
	}
	puts(*between == ',' ? "\n]" : "]");
}

static void print_table(const struct devices *devices)
{
	int width[ARRAY_SIZE(columns)], used;
	const size_t last = ARRAY_SIZE(columns) - 1;
	size_t i, c;

	for (c = 0; c < last; c++) {
		width[c] = strlen(columns[c].title);
		for (i = 0; i < devices->nr; i++) {
			used = strlen(safe(value(&devices->all[i], &columns[c])));
			if (is_shown(&devices->all[i]) && used > width[c])
				width[c] = used;
		}
		printf("%-*s  ", width[c], columns[c].title);
	}
	puts(columns[last].title);
	for (i = 0; i < devices->nr; i++) {
		if (!is_shown(&devices->all[i]))
			continue;
		for (c = 0; c < last; c++)
			printf("%-*s  ", width[c], safe(value(&devices->all[i], &columns[c])));
		puts(safe(value(&devices->all[i], &columns[last])));
	}
}

void print_devices(const struct devices *devices)
{
	if (opt.json)
		print_json(devices);
	else
		print_table(devices);
}
