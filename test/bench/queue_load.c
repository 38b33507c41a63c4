/*
 * Loads a queue over HTTP/1.1 on 127.0.0.1 and counts jobs that were acknowledged. Prints one line of JSON.
 *
 *   queue_load PORT TOKEN fill  CONNECTIONS COUNT          puts so many jobs of 128 bytes in, a thousand a request
 *   queue_load PORT TOKEN batch CONNECTIONS SECONDS WARMUP each connection claims a hundred and acknowledges them in one request
 *   queue_load PORT TOKEN one   CONNECTIONS SECONDS WARMUP each connection puts a job in, claims one and acknowledges it
 *   queue_load PORT TOKEN pair  CONNECTIONS SECONDS WARMUP each connection claims one job, and then acknowledges it
 *   queue_load PORT TOKEN next  CONNECTIONS SECONDS WARMUP each connection claims one job, and acknowledges it with its next claim
 *
 * It ends early when a claim from the backlog finds the queue empty; the rate is that of the time until then.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024, ROOM = 1 << 20, LIST = 1000, CLAIMED = 100 };
enum step { PUSH, CLAIM, ACK };

struct caller {
  int fd;
  enum step step;
  char *in, *out;
  size_t in_length, out_length, out_sent;
  int jobs; /* of the acknowledgement that is under way */
};

static struct caller callers[MOST];
static const char *token, *mode;
static char *list_body;
static size_t list_length;
static long wanted, pushed, empty_claims, errors;
static double began, first, ended;
static long done;
static char trouble[200];
static int over;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Writes head and body of a request; `more` is a further header line with its end, or empty. */
static void request(struct caller *c, const char *method, const char *path, const char *more, const char *body, size_t length) {
  int head = snprintf(c->out, ROOM,
    "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
    method, path, token, more, length);
  memcpy(c->out + head, body, length);
  c->out_length = (size_t)head + length;
  c->out_sent = 0;
}

static void ask(struct caller *c) {
  if (c->step == PUSH && mode[0] == 'f') request(c, "POST", "/queue/bench", "", list_body, list_length);
  else if (c->step == PUSH) {
    static const char one[] =
      "{\"payload\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}";
    request(c, "POST", "/queue/bench", "", one, sizeof one - 1);
  } else if (c->step == CLAIM) {
    const char *body = mode[0] == 'b' ? "{\"limit\":100,\"visibility_timeout_seconds\":600}" : "{\"visibility_timeout_seconds\":600}";
    request(c, "POST", "/queue/bench/claim", "", body, strlen(body));
  }
  /* An acknowledgement is written while the claim is read. */
}

static void flush(struct caller *c) {
  while (c->out_sent < c->out_length) {
    ssize_t sent = write(c->fd, c->out + c->out_sent, c->out_length - c->out_sent);
    if (sent < 0 && errno == EAGAIN) return;
    if (sent <= 0) fail("write");
    c->out_sent += (size_t)sent;
  }
}

/* Writes the acknowledgement of what the claim gave; returns how many jobs it gave. */
static int acknowledge(struct caller *c, const char *body) {
  static char text[ROOM];
  size_t length = 0;
  int jobs = 0;
  char path[64] = "", lease[80] = "";
  length += (size_t)sprintf(text, "{\"jobs\":[");
  for (const char *at = body; (at = strstr(at, "\"id\":\"")) != NULL;) {
    const char *id = at + 6, *secret = strstr(at, "\"lease_token\":\"");
    if (secret == NULL) break;
    secret += 15;
    int digits = (int)strcspn(id, "\"");
    snprintf(path, sizeof path, "/queue/bench/%.*s", digits, id);
    snprintf(lease, sizeof lease, "X-Lease-Token: %.32s\r\n", secret);
    length += (size_t)sprintf(text + length, "%s{\"id\":\"%.*s\",\"lease_token\":\"%.32s\"}", jobs ? "," : "", digits, id, secret);
    jobs += 1;
    at = secret;
  }
  length += (size_t)sprintf(text + length, "]}");
  if (jobs == 0) return 0;
  if (mode[0] == 'b') request(c, "POST", "/queue/bench/ack", "", text, length);
  else if (mode[0] == 'n') {
    static char next[ROOM];
    /* The list of jobs as acks. */
    int size = snprintf(next, ROOM, "{\"visibility_timeout_seconds\":600,\"acks\":%s", text + 8);
    request(c, "POST", "/queue/bench/claim", "", next, (size_t)size);
  }
  else request(c, "DELETE", path, lease, "", 0);
  return jobs;
}

static void count(long jobs) {
  double t = now();
  if (t >= first && t < ended) done += jobs;
}

static void answered(struct caller *c, int status, const char *body) {
  if (status >= 300) {
    errors += 1;
    if (trouble[0] == 0) snprintf(trouble, sizeof trouble, "%d %.150s", status, body);
    if (errors > 100) over = 1;
    c->step = mode[0] == 'o' || mode[0] == 'f' ? PUSH : CLAIM;
  } else if (c->step == PUSH) {
    pushed += mode[0] == 'f' ? LIST : 1;
    if (mode[0] != 'f') c->step = CLAIM;
    else if (pushed >= wanted) over = 1;
  } else if (c->step == CLAIM) {
    /* With the claim the job before it was acknowledged. */
    if (mode[0] == 'n' && strstr(body, "\"acked\"") != NULL) count(1);
    c->jobs = acknowledge(c, body);
    if (c->jobs > 0) c->step = mode[0] == 'n' ? CLAIM : ACK;
    else {
      empty_claims += 1;
      if (mode[0] != 'o') {
        if (now() < ended) ended = now();
        over = 1;
      }
    }
  } else {
    for (const char *at = body; (at = strstr(at, "\"stale\"")) != NULL; at += 7) errors += 1;
    count(c->jobs);
    c->step = mode[0] == 'o' || mode[0] == 'f' ? PUSH : CLAIM;
  }
  if (over || now() >= ended) {
    over = 1;
    return;
  }
  if (c->step != ACK && !(mode[0] == 'n' && c->jobs > 0)) ask(c);
  flush(c);
}

static void hear(struct caller *c) {
  for (;;) {
    ssize_t got = read(c->fd, c->in + c->in_length, ROOM - 1 - c->in_length);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fail("read");
    c->in_length += (size_t)got;
    c->in[c->in_length] = 0;
    char *body = strstr(c->in, "\r\n\r\n");
    if (body == NULL) continue;
    body += 4;
    char *length = strcasestr(c->in, "\r\ncontent-length:");
    if (length == NULL || length > body) {
      fprintf(stderr, "an answer without Content-Length: %.200s\n", c->in);
      exit(1);
    }
    size_t whole = (size_t)(body - c->in) + strtoul(length + 17, NULL, 10);
    if (c->in_length < whole) continue;
    int status = atoi(c->in + 9);
    c->in_length = 0;
    answered(c, status, body);
    if (over) return;
  }
}

int main(int argc, char **argv) {
  if (argc < 6) return fprintf(stderr, "queue_load PORT TOKEN fill|batch|one|pair|next CONNECTIONS COUNT|SECONDS [WARMUP]\n"), 2;
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  token = argv[2];
  mode = argv[3];
  int connections = atoi(argv[4]), poll = epoll_create1(0), yes = 1;
  if (connections > MOST) connections = MOST;
  began = now();
  wanted = mode[0] == 'f' ? atol(argv[5]) : 0;
  first = began + (argc > 6 ? atof(argv[6]) : 0);
  ended = mode[0] == 'f' ? began + 120 : first + atof(argv[5]);
  list_body = malloc(ROOM);
  list_length = (size_t)sprintf(list_body, "[");
  for (int i = 0; i < LIST; i += 1)
    list_length += (size_t)sprintf(list_body + list_length, "%s{\"payload\":\"%0128d\"}", i ? "," : "", i);
  list_length += (size_t)sprintf(list_body + list_length, "]");

  for (int i = 0; i < connections; i += 1) {
    struct caller *c = &callers[i];
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    c->in = malloc(ROOM);
    c->out = malloc(ROOM);
    c->step = mode[0] == 'o' || mode[0] == 'f' ? PUSH : CLAIM;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    /* Not blocking from here on, so that a large list does not hold up the others. */
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll_ctl");
  }
  for (int i = 0; i < connections; i += 1) {
    ask(&callers[i]);
    flush(&callers[i]);
  }
  while (!over && now() < ended) {
    struct epoll_event events[256];
    int ready = epoll_wait(poll, events, 256, 100);
    for (int i = 0; i < ready && !over; i += 1) {
      struct caller *c = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush(c);
      if (events[i].events & (EPOLLIN | EPOLLHUP)) hear(c);
    }
  }
  if (now() < ended) ended = now();
  double seconds = ended - first;
  printf("{\"jobs\":%ld,\"pushed\":%ld,\"seconds\":%.4f,\"empty\":%ld,\"errors\":%ld,\"trouble\":\"", done, pushed, seconds > 0 ? seconds : 0,
    empty_claims, errors);
  for (const char *t = trouble; *t; t += 1) putchar(*t == '"' || *t == '\\' || *t < ' ' ? '\'' : *t);
  printf("\"}\n");
  return 0;
}
