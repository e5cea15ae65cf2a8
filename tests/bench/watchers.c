/* watchers FD...: reads what comes in on the sockets and counts it, a line of sums to standard output for each byte on
   standard input, until that ends. In C, so that it is not the reader that is measured. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { most = 64 };
static char place[1 << 20];

static int take(const struct pollfd* one, long long* sum) {
  const ssize_t size = recv(one->fd, place, sizeof place, MSG_DONTWAIT);
  if (size > 0) *sum += size;
  return size > 0 || (size < 0 && errno == EAGAIN);
}

int main(int count, char** words) {
  struct pollfd all[most] = {{.fd = 0, .events = POLLIN}};
  long long sums[most] = {0};
  if (count < 1 || count > most) return 2;
  for (int i = 1; i < count; ++i) all[i] = (struct pollfd){.fd = atoi(words[i]), .events = POLLIN};
  for (;;) {
    if (poll(all, (nfds_t)count, -1) < 0 && errno != EINTR) return 1;
    for (int i = 1; i < count; ++i)
      if (all[i].revents && !take(&all[i], &sums[i])) all[i].fd = -1;
    if (!all[0].revents) continue;
    char asked;
    if (read(0, &asked, 1) != 1) return 0;
    for (int i = 1; i < count; ++i) printf("%lld%c", sums[i], i + 1 < count ? ' ' : '\n');
    fflush(stdout);
  }
}
