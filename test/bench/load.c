/* The load of the benchmark: connections that ask for one signature after another, over one thread and epoll.
 * In C, so that asking costs little of the two processors that the daemons are measured on.
 *
 *   load SOCKET CONNECTIONS REQUESTS LINE     -> {"perSecond":...,"p50":...,"p99":...} in milliseconds
 *
 * LINE is the request without its CR LF. A reply is one line; the greeting is two. A daemon that serves one
 * client at a time, with a short backlog, is asked again until it takes the connection. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define WAIT_MS 60000
#define RETRY_MS 1
#define GREETING_LINES 2

struct conversation {
  int fd;
  int lines;
  long left;
  double asked;
};

static struct conversation conversations[MAX_CONNECTIONS];
static double *latencies;
static long measured;
static char *request;
static size_t request_length;

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

/* A descriptor, or -1 while the backlog is full. */
static int try_connect(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(path);
  }
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd == -1) {
    fail("socket");
  }
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
    return fd;
  }
  if (errno != EAGAIN) {
    fail(path);
  }
  close(fd);
  return -1;
}

static void ask(struct conversation *peer, int is_first) {
  if (!is_first) {
    peer->asked = now_ms();
  }
  if (write(peer->fd, request, request_length) != (ssize_t)request_length) {
    fail("write");
  }
}

/* True while the conversation goes on. */
static int take(struct conversation *peer) {
  char bytes[8192];
  ssize_t count = read(peer->fd, bytes, sizeof bytes);
  if (count <= 0) {
    fail("the daemon closed the connection");
  }
  for (ssize_t at = 0; at < count; at += 1) {
    if (bytes[at] != '\n') {
      continue;
    }
    peer->lines += 1;
    if (peer->lines == GREETING_LINES) {
      ask(peer, 1);
    } else if (peer->lines > GREETING_LINES) {
      latencies[measured++] = now_ms() - peer->asked;
      peer->left -= 1;
      if (peer->left == 0) {
        close(peer->fd);
        return 0;
      }
      ask(peer, 0);
    }
  }
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: load SOCKET CONNECTIONS REQUESTS LINE\n");
    return 2;
  }
  int connections = atoi(argv[2]);
  long each = atol(argv[3]) / (connections > 0 ? connections : 1);
  if (connections < 1 || connections > MAX_CONNECTIONS || each < 1) {
    errno = EINVAL;
    fail("arguments");
  }
  latencies = calloc((size_t)(each * connections), sizeof *latencies);
  if (latencies == NULL || asprintf(&request, "%s\r\n", argv[4]) == -1) {
    fail("memory");
  }
  request_length = strlen(request);
  int poll = epoll_create1(EPOLL_CLOEXEC);
  double started = now_ms();
  for (int at = 0; at < connections; at += 1) {
    conversations[at] = (struct conversation){.fd = -1, .left = each, .asked = started};
  }
  int connected = 0;
  for (int open = connections; open > 0;) {
    while (connected < connections) {
      struct conversation *peer = &conversations[connected];
      peer->fd = try_connect(argv[1]);
      if (peer->fd == -1) {
        break;
      }
      struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
      if (poll == -1 || epoll_ctl(poll, EPOLL_CTL_ADD, peer->fd, &event) == -1) {
        fail("epoll");
      }
      connected += 1;
    }
    struct epoll_event events[MAX_CONNECTIONS];
    int is_complete = connected == connections;
    int ready = epoll_wait(poll, events, MAX_CONNECTIONS, is_complete ? WAIT_MS : RETRY_MS);
    if ((ready == 0 && is_complete) || (ready == -1 && errno != EINTR)) {
      fail("waiting for a reply");
    }
    for (int at = 0; at < ready; at += 1) {
      open -= !take(events[at].data.ptr);
    }
  }
  double seconds = (now_ms() - started) / 1e3;
  qsort(latencies, (size_t)measured, sizeof *latencies, by_size);
  printf("{\"perSecond\":%f,\"p50\":%f,\"p99\":%f}\n", (double)measured / seconds,
         latencies[measured / 2], latencies[measured * 99 / 100]);
  return 0;
}
