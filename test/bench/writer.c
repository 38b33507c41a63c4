/* The machine's limit for fan-out: an HTTP server in one thread that keeps nothing, and for each message and reader makes one write.
 * `writer PORT`; POST /pub/N with a body sends it to every GET /sub/N as an event. The frames are as large as the server's own. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNELS 65536
#define REQUEST_BYTES 65536

typedef struct {
  int fd, channel, place; /* place among the channel's readers; -1: none */
  char *in, *late; /* late: what the socket did not take at once */
  size_t in_bytes, late_bytes, late_room;
} Connection;

typedef struct {
  Connection **readers;
  int count, room;
} Channel;

static Channel channels[CHANNELS];
static int poller;
static unsigned long long last_id;

static void watch(Connection *c, uint32_t events, int how) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  epoll_ctl(poller, how, c->fd, &event);
}

static void leave(Connection *c) {
  if (c->place >= 0) {
    Channel *channel = &channels[c->channel];
    Connection *last = channel->readers[--channel->count];
    channel->readers[last->place = c->place] = last;
  }
  close(c->fd);
  free(c->in);
  free(c->late);
  free(c);
}

static void be_late(Connection *c, const char *bytes, size_t length) {
  if (c->late_bytes + length > c->late_room) c->late = realloc(c->late, c->late_room = (c->late_bytes + length) * 2);
  if (!c->late_bytes) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  memcpy(c->late + c->late_bytes, bytes, length);
  c->late_bytes += length;
}

static void send_to(Connection *c, const char *bytes, size_t length) {
  if (c->late_bytes) return be_late(c, bytes, length);
  ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);
  if (n < 0) n = 0;
  if ((size_t)n < length) be_late(c, bytes + n, length - (size_t)n);
}

static void catch_up(Connection *c) {
  ssize_t n = send(c->fd, c->late, c->late_bytes, MSG_NOSIGNAL);
  if (n <= 0) return;
  memmove(c->late, c->late + n, c->late_bytes -= (size_t)n);
  if (!c->late_bytes) watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

static void subscribe(Connection *c, int number) {
  static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n: open\n\n\r\n";
  Channel *channel = &channels[number];
  if (channel->count == channel->room) channel->readers = realloc(channel->readers, sizeof(Connection *) * (size_t)(channel->room = channel->room * 2 + 8));
  c->channel = number;
  c->place = channel->count;
  channel->readers[channel->count++] = c;
  send_to(c, head, sizeof head - 1);
  free(c->in);
  c->in = NULL;
}

static void publish(Connection *c, int number, const char *body, int length) {
  static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
  static char frame[REQUEST_BYTES + 256], event[REQUEST_BYTES + 200];
  int size = snprintf(event, sizeof event, "id: %036llu\nevent: message\ndata: %.*s\n\n", ++last_id, length, body);
  int whole = snprintf(frame, sizeof frame, "%x\r\n%s\r\n", size, event);
  Channel *channel = &channels[number];
  for (int i = 0; i < channel->count; i++) send_to(channel->readers[i], frame, (size_t)whole);
  send_to(c, answer, sizeof answer - 1);
}

/* Takes one whole request; false while it is not. */
static int take_request(Connection *c) {
  char *end = memmem(c->in, c->in_bytes, "\r\n\r\n", 4);
  if (!end) return 0;
  *end = 0;
  int number = 0, length = 0;
  char *field = strcasestr(c->in, "\r\ncontent-length:");
  if (field) length = atoi(field + 17);
  char *body = end + 4;
  if (c->in_bytes < (size_t)(body - c->in) + (size_t)length) return *end = '\r', 0;
  sscanf(c->in + (c->in[0] == 'P' ? 10 : 9), "%d", &number);
  if (c->in[0] == 'G') return subscribe(c, number % CHANNELS), 0;
  publish(c, number % CHANNELS, body, length);
  size_t used = (size_t)(body - c->in) + (size_t)length;
  memmove(c->in, c->in + used, c->in_bytes -= used);
  return c->in_bytes > 0;
}

static void take_input(Connection *c) {
  static char rest[4096];
  ssize_t n = c->in ? recv(c->fd, c->in + c->in_bytes, REQUEST_BYTES - c->in_bytes, 0) : recv(c->fd, rest, sizeof rest, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN)) return leave(c);
  if (n < 0 || !c->in) return;
  c->in_bytes += (size_t)n;
  while (c->in && take_request(c));
}

static void accept_all(int listener) {
  for (int fd, on = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *c = calloc(1, sizeof *c);
    *c = (Connection){.fd = fd, .place = -1, .in = malloc(REQUEST_BYTES)};
    watch(c, EPOLLIN, EPOLL_CTL_ADD);
  }
}

static int listen_on(int port) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 4096) < 0) {
    perror("writer");
    exit(1);
  }
  return fd;
}

int main(int count, char **words) {
  if (count != 2) return fprintf(stderr, "usage: writer PORT\n"), 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  signal(SIGPIPE, SIG_IGN);
  poller = epoll_create1(0);
  Connection listener = {.fd = listen_on(atoi(words[1])), .place = -1};
  watch(&listener, EPOLLIN, EPOLL_CTL_ADD);
  for (struct epoll_event events[512];;) {
    int n = epoll_wait(poller, events, 512, -1);
    for (int i = 0; i < n; i++) {
      Connection *c = events[i].data.ptr;
      if (c == &listener) accept_all(listener.fd);
      else if (events[i].events & EPOLLOUT) catch_up(c);
      else take_input(c);
    }
  }
}
