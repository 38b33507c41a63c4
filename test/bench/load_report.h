/* The load generator's course: readers come, publishers send, the readers are awaited, and all is held against what was sent. */

static double seconds_since(uint64_t then) { return (double)(now_ns() - then) / 1e9; }

static void open_all(void) {
  uint64_t limit = now_ns() + 60000000000u;
  open_readers_in_turn();
  for (int i = 0; i < want.publishers; i++) open_connection(&publishers[i]);
  while ((reader_next < reader_count || connecting) && !dropped && now_ns() < limit) turn(now_ns() + 10000000);
}

/* The first readers stop reading, without leaving. */
static void stall(void) {
  for (int i = 0; i < want.stalled; i++) {
    epoll_ctl(poller, EPOLL_CTL_DEL, readers[i].fd, NULL);
    readers[i].state = STALLED;
    live_readers--;
  }
}

/* How many of those who stopped reading find their connection closed when they read again. */
static int count_ended(void) {
  int ended = 0;
  for (int i = 0; i < want.stalled; i++) {
    ssize_t n;
    for (size_t all = 0; (n = recv(readers[i].fd, received, RECEIVE_BYTES, 0)) > 0 && all < (64 << 20);) all += (size_t)n;
    if (n == 0 || (n < 0 && errno != EAGAIN)) ended++;
  }
  return ended;
}

static void replay(uint64_t opened) {
  uint64_t limit = now_ns() + (uint64_t)(want.seconds * 1e9);
  open_readers_in_turn();
  while ((reader_next < reader_count || connecting || open_readers) && !dropped && now_ns() < limit) turn(now_ns() + 10000000);
  if (open_readers || connecting) note("not every reader was given all in time", 38);
  begin = opened;
}

/* Waits, answering what comes, until standard input closes. */
static void hold(void) {
  printf("{\"open\":%d}\n", open_readers);
  fflush(stdout);
  Connection input = {.fd = 0, .state = GONE};
  watch(&input, EPOLLIN, EPOLL_CTL_ADD);
  char byte;
  for (int n = 1; n > 0;) {
    struct epoll_event event;
    if (epoll_wait(poller, &event, 1, 1000) < 1) continue;
    Connection *c = event.data.ptr;
    if (c == &input) n = (int)read(0, &byte, 1);
    else take_stream(c, recv(c->fd, received, RECEIVE_BYTES, 0), now_ns());
  }
}

static uint64_t drive(void) {
  for (uint64_t settled = now_ns() + 300000000; reader_count && now_ns() < settled;) turn(settled);
  stall();
  begin = due = now_ns();
  warm = begin + (uint64_t)(want.warmup * 1e9);
  end = warm + (uint64_t)(want.seconds * 1e9);
  uint64_t before = 0, within;
  while (now_ns() < warm) turn(warm), before = delivered;
  while (now_ns() < end) turn(end);
  within = delivered - before;
  for (uint64_t limit = now_ns() + GRACE_NS; (idle_count < want.publishers || delivered < expected) && now_ns() < limit;) turn(now_ns() + 10000000);
  return within;
}

static void report(uint64_t within, double opening) {
  uint64_t lost = 0, disordered = 0, notices = 0, published = 0;
  for (int i = 0; i < target_count; i++) published += targets[i].answered;
  for (int i = 0; i < reader_count; i++) {
    Connection *c = &readers[i];
    if (c->state == STALLED) continue;
    uint64_t owed = want.expect ? (uint64_t)want.expect : targets[c->target].answered;
    if (c->state != GONE && owed > c->in.messages) lost += owed - c->in.messages;
    if (want.expect && c->in.messages > owed) disordered += c->in.messages - owed;
    disordered += c->in.disordered;
    notices += c->in.notices;
  }
  double span = want.expect ? (double)(last_finished - begin) / 1e9 : want.seconds;
  printf("{\"seconds\":%.6f,\"published\":%llu,\"answered\":%llu,\"delivered\":%llu,\"total\":%llu,\"lost\":%llu,\"disordered\":%llu,\"dropped\":%llu,"
         "\"notices\":%llu,\"errors\":%llu,\"trouble\":\"%s\",\"p50\":%.0f,\"p99\":%.0f,\"answer_p50\":%.0f,\"answer_p99\":%.0f,"
         "\"stalled_ended\":%d,\"opening\":%.3f}\n",
         span, (unsigned long long)published, (unsigned long long)answered, (unsigned long long)within, (unsigned long long)delivered, (unsigned long long)lost,
         (unsigned long long)disordered, (unsigned long long)dropped, (unsigned long long)notices, (unsigned long long)errors, trouble,
         quantile(&deliveries, 0.5), quantile(&deliveries, 0.99), quantile(&answers, 0.5), quantile(&answers, 0.99), count_ended(), opening);
}

static void read_options(int count, char **words) {
  for (int i = 2; i + 1 < count; i += 2) {
    const char *name = words[i], *value = words[i + 1];
    if (!strcmp(name, "--targets")) read_targets(value);
    else if (!strcmp(name, "--body")) body = read_file(value, &body_bytes);
    else if (!strcmp(name, "--port")) want.port = atoi(value);
    else if (!strcmp(name, "--publishers")) want.publishers = atoi(value);
    else if (!strcmp(name, "--readers")) want.readers = atoi(value);
    else if (!strcmp(name, "--stalled")) want.stalled = atoi(value);
    else if (!strcmp(name, "--window")) want.window = atoi(value);
    else if (!strcmp(name, "--rate")) want.rate = atoi(value);
    else if (!strcmp(name, "--expect")) want.expect = atoi(value);
    else if (!strcmp(name, "--hold")) want.hold = atoi(value);
    else if (!strcmp(name, "--seconds")) want.seconds = atof(value);
    else if (!strcmp(name, "--warmup")) want.warmup = atof(value);
    else fprintf(stderr, "load: unknown option %s\n", name), exit(2);
  }
}

int main(int count, char **words) {
  read_options(count, words);
  signal(SIGPIPE, SIG_IGN);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  poller = epoll_create1(0);
  received = malloc(RECEIVE_BYTES);
  reader_count = target_count * want.readers;
  readers = calloc((size_t)reader_count + 1, sizeof *readers);
  publishers = calloc((size_t)want.publishers + 1, sizeof *publishers);
  idle = calloc((size_t)want.publishers + 1, sizeof *idle);
  for (int i = 0; i < reader_count; i++) readers[i].target = i % target_count;
  for (int i = 0; i < want.publishers; i++) publishers[i].kind = PUBLISHER;
  uint64_t started = now_ns(), within = 0;
  if (want.expect) replay(started);
  else open_all();
  double opening = seconds_since(started);
  puts("begin"); /* for those who watch the server: the readers have come */
  fflush(stdout);
  if (want.hold) hold();
  else if (!want.expect && !dropped) within = drive();
  report(within, opening);
  return 0;
}
