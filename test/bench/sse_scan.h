/* A reader's half of the load generator: HTTP head, chunked encoding and Server-Sent Events, scanned as the bytes arrive. It checks
 * what was promised: the ids of one reader strictly ascend. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define STAMP_DIGITS 19
#define ID_MOST 63

/* Latencies in steps of 5 microseconds, up to 5 seconds. */
#define STEPS 1000000
typedef struct {
  uint32_t at[STEPS];
  uint64_t count;
} Latencies;

typedef struct {
  enum { HEAD, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, PLAIN } phase;
  int status;
  uint64_t chunk_left;
  char *kept; /* the start of a line, or of the head, whose rest has not come yet */
  uint32_t kept_bytes, kept_room;
  char last[ID_MOST + 1], id[ID_MOST + 1];
  uint8_t has_data, is_notice;
  uint64_t stamp;
  uint32_t messages, notices, disordered;
} Stream;

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void count_latency(Latencies *all, uint64_t ns) {
  uint64_t step = ns / 5000;
  all->at[step < STEPS ? step : STEPS - 1]++;
  all->count++;
}

/* In microseconds. */
static double quantile(const Latencies *all, double q) {
  uint64_t seen = 0, wanted = (uint64_t)(q * (double)all->count);
  for (uint32_t step = 0; step < STEPS; step++)
    if ((seen += all->at[step]) > wanted) return step * 5.0;
  return 0;
}

static void keep(Stream *s, const char *bytes, size_t length) {
  if (s->kept_bytes + length > s->kept_room) {
    s->kept_room = (uint32_t)(s->kept_bytes + length + 256);
    s->kept = realloc(s->kept, s->kept_room);
  }
  memcpy(s->kept + s->kept_bytes, bytes, length);
  s->kept_bytes += (uint32_t)length;
}

static uint64_t stamp_in(const char *line, size_t length) {
  static size_t usual; /* one server writes it at one place */
  if (usual + 3 + STAMP_DIGITS > length || memcmp(line + usual, "ts=", 3) != 0) {
    const char *found = memmem(line, length, "ts=", 3);
    if (!found || found + 3 + STAMP_DIGITS > line + length) return 0;
    usual = (size_t)(found - line);
  }
  uint64_t stamp = 0;
  for (int i = 0; i < STAMP_DIGITS; i++) stamp = stamp * 10 + (uint64_t)(line[usual + 3 + i] - '0');
  return stamp;
}

/* UUIDs and padded numbers ascend as text; nchan's ids are `seconds:number`. */
static int ascends(const char *before, const char *after) {
  char *left, *right;
  unsigned long long one = strtoull(before, &left, 10), other = strtoull(after, &right, 10);
  if (*left != ':' || *right != ':') return strcmp(before, after) < 0;
  return one < other || (one == other && strtoull(left + 1, NULL, 10) < strtoull(right + 1, NULL, 10));
}

static void end_event(Stream *s, Latencies *latencies, uint64_t since, uint64_t now) {
  if (s->has_data && s->is_notice) s->notices++;
  if (s->has_data && !s->is_notice) {
    s->messages++;
    if (!ascends(s->last, s->id)) s->disordered++;
    if (latencies && s->stamp >= since && s->stamp > 0) count_latency(latencies, now - s->stamp);
  }
  /* An id without data is a mark: what follows must come after it. */
  if (s->id[0]) memcpy(s->last, s->id, sizeof s->id);
  s->has_data = s->is_notice = 0;
}

static void take_line(Stream *s, const char *line, size_t length, Latencies *latencies, uint64_t since, uint64_t now) {
  if (length && line[length - 1] == '\r') length--;
  if (length == 0) end_event(s, latencies, since, now);
  else if (length > 4 && memcmp(line, "id: ", 4) == 0) {
    size_t size = length - 4 < ID_MOST ? length - 4 : ID_MOST;
    memcpy(s->id, line + 4, size);
    s->id[size] = 0;
  } else if (length > 5 && memcmp(line, "data:", 5) == 0) {
    s->has_data = 1;
    s->stamp = stamp_in(line, length);
  } else if (length > 7 && memcmp(line, "event: ", 7) == 0)
    s->is_notice = !(length == 14 && memcmp(line + 7, "message", 7) == 0);
}

static void take_text(Stream *s, const char *at, size_t length, Latencies *latencies, uint64_t since, uint64_t now) {
  const char *end = at + length, *newline;
  while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
    if (s->kept_bytes) {
      keep(s, at, (size_t)(newline - at));
      take_line(s, s->kept, s->kept_bytes, latencies, since, now);
      s->kept_bytes = 0;
    } else
      take_line(s, at, (size_t)(newline - at), latencies, since, now);
    at = newline + 1;
  }
  if (at < end) keep(s, at, (size_t)(end - at));
}

/* Returns where the body begins, or NULL while the head is not whole. */
static const char *take_head(Stream *s, const char *at, size_t length) {
  uint32_t before = s->kept_bytes;
  keep(s, at, length);
  const char *end = memmem(s->kept, s->kept_bytes, "\r\n\r\n", 4);
  if (!end) return NULL;
  size_t head = (size_t)(end - s->kept) + 4;
  s->kept[head - 1] = 0;
  s->status = atoi(s->kept + 9);
  s->phase = strcasestr(s->kept, "transfer-encoding: chunked") ? CHUNK_SIZE : PLAIN;
  s->kept_bytes = 0;
  s->chunk_left = 0;
  return at + (head - before);
}

/* Takes what arrived; latencies of messages stamped before `since` are not counted. */
static void take_bytes(Stream *s, const char *at, size_t length, Latencies *latencies, uint64_t since, uint64_t now) {
  const char *end = at + length;
  if (s->phase == HEAD && !(at = take_head(s, at, length))) return;
  while (at < end) {
    if (s->phase == PLAIN) {
      take_text(s, at, (size_t)(end - at), latencies, since, now);
      return;
    }
    if (s->phase == CHUNK_DATA) {
      size_t part = (size_t)(end - at) < s->chunk_left ? (size_t)(end - at) : s->chunk_left;
      take_text(s, at, part, latencies, since, now);
      at += part;
      if ((s->chunk_left -= part) == 0) s->phase = CHUNK_END;
      continue;
    }
    char c = *at++;
    if (s->phase == CHUNK_END) {
      if (c == '\n') s->phase = CHUNK_SIZE;
    } else if (c == '\n')
      s->phase = CHUNK_DATA;
    else if (c != '\r')
      s->chunk_left = s->chunk_left * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  }
}
