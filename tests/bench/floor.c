/* What the kernel itself takes to start such a container: the same namespaces, kinds of mounts, network and exec as
 * sovirt-launch, in one program that checks nothing, keeps nothing and talks to nobody. The measure of tests/bench.
 *   floor LOWER BRIDGE COUNT     LOWER: a root file system with a static /bin/true; BRIDGE: "" for none
 * Prints microseconds from the first system call to the successful execve: minimum and median of COUNT. With a COUNT
 * of 0: one start and its microseconds for each line of the input, so that another measurement can go in between. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char lower[4096], place[] = "/tmp/sovirt-floor-XXXXXX", upper[64], work[64];
static pid_t owner;   /* of `place`; in the child getpid() is 1 */

static void clean_up(void) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", place);
  if (system(command)) fprintf(stderr, "floor: %s is left behind\n", place);
}

static void die(const char* what, int error) {
  fprintf(stderr, "floor: %s: %s\n", what, strerror(error));
  if (getpid() == owner) exit(1);
  _exit(1);
}
#define MUST(call) do { if ((long)(call) < 0) die(#call, errno); } while (0)

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

union message { struct nlmsghdr head; char bytes[1024]; };

static void* put(union message* m, unsigned short type, const void* data, size_t size) {
  struct rtattr* attr = (struct rtattr*)(m->bytes + NLMSG_ALIGN(m->head.nlmsg_len));
  attr->rta_type = type;
  attr->rta_len = (unsigned short)RTA_LENGTH(size);
  if (size) memcpy((char*)attr + RTA_LENGTH(0), data, size);
  m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + (unsigned)RTA_ALIGN(attr->rta_len);
  return attr;
}
static void end(union message* m, struct rtattr* nest) {
  nest->rta_len = (unsigned short)(m->bytes + m->head.nlmsg_len - (char*)nest);
}

/* A pair with one end up on the bridge and the other in the child's namespace, in one request. */
static void make_veth(int socket, pid_t child, int bridge) {
  union message m = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK,
                              .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK}};
  const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  memcpy(m.bytes + NLMSG_HDRLEN, &up, sizeof up);
  put(&m, IFLA_IFNAME, "vfloor0", 8);
  if (bridge) put(&m, IFLA_MASTER, &bridge, sizeof bridge);
  struct rtattr* info = put(&m, IFLA_LINKINFO, NULL, 0);
  put(&m, IFLA_INFO_KIND, "veth", 5);
  struct rtattr* data = put(&m, IFLA_INFO_DATA, NULL, 0);
  const struct ifinfomsg down = {0};   /* the end that is made first cannot be up: it has no peer yet */
  struct rtattr* peer = put(&m, VETH_INFO_PEER, &down, sizeof down);
  put(&m, IFLA_IFNAME, "eth0", 5);
  put(&m, IFLA_NET_NS_PID, &child, sizeof child);
  end(&m, peer);
  end(&m, data);
  end(&m, info);
  MUST(send(socket, &m, m.head.nlmsg_len, 0));
  union { struct { struct nlmsghdr head; struct nlmsgerr error; } ack; char bytes[1024]; } reply;
  MUST(recv(socket, &reply, sizeof reply, 0));
  if (reply.ack.error.error) die("RTM_NEWLINK", -reply.ack.error.error);
}

static void set_up_root(void) {
  struct mount_attr private = {.propagation = MS_PRIVATE};
  MUST(mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &private, sizeof private));
  const int overlay = fsopen("overlay", FSOPEN_CLOEXEC);
  MUST(overlay);
  MUST(fsconfig(overlay, FSCONFIG_SET_STRING, "lowerdir", lower, 0));
  MUST(fsconfig(overlay, FSCONFIG_SET_STRING, "upperdir", upper, 0));
  MUST(fsconfig(overlay, FSCONFIG_SET_STRING, "workdir", work, 0));
  MUST(fsconfig(overlay, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
  const int root = fsmount(overlay, FSMOUNT_CLOEXEC, 0);
  MUST(root);
  MUST(move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
  MUST(fchdir(root));
  MUST(syscall(SYS_pivot_root, ".", "."));
  MUST(umount2(".", MNT_DETACH));
  MUST(chdir("/"));
  const char* folders[] = {"/proc", "/dev", "/sys", "/run"};
  for (int i = 0; i < 4; ++i) mkdir(folders[i], 0755);
  MUST(mount("proc", "/proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
  MUST(mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755"));
  MUST(mkdir("/dev/pts", 0755));
  MUST(mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666"));
  MUST(mkdir("/dev/shm", 0755));
  MUST(mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777"));
  MUST(mkdir("/dev/mqueue", 0755));
  MUST(mount("mqueue", "/dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL));
  MUST(mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"));
  MUST(mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL));
  const struct { const char* path; unsigned major, minor; } nodes[] = {{"/dev/null", 1, 3}, {"/dev/zero", 1, 5},
      {"/dev/full", 1, 7}, {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};
  for (int i = 0; i < 6; ++i) MUST(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)));
  MUST(sethostname("floor", 5));
}

static void bring_up(int any, const char* name) {
  struct ifreq request = {.ifr_flags = IFF_UP};
  strcpy(request.ifr_name, name);
  MUST(ioctl(any, SIOCSIFFLAGS, &request));
}

static double run_once(int netlink, int bridge) {
  int network[2], executed[2];
  MUST(pipe2(network, O_CLOEXEC));
  MUST(pipe2(executed, O_CLOEXEC));
  const double begin = now_us();
  struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
                            .exit_signal = SIGCHLD};
  const pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
  MUST(child);
  char byte = 0;
  if (child == 0) {
    close(network[1]);
    set_up_root();
    MUST(read(network[0], &byte, 1));
    const int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bring_up(any, "lo");
    bring_up(any, "eth0");
    execl("/bin/true", "true", (char*)NULL);
    MUST(-1);
  }
  close(executed[1]);
  make_veth(netlink, child, bridge);
  MUST(write(network[1], "g", 1));
  MUST(read(executed[0], &byte, 1));   /* its end: execve has closed the other side */
  const double took = now_us() - begin;
  int status = 0;
  MUST(waitpid(child, &status, 0));
  if (status) exit(1);
  const int ends[] = {network[0], network[1], executed[0]};
  for (int i = 0; i < 3; ++i) close(ends[i]);
  /* The pair goes with the namespace, in the background; its name must be free for the next one. */
  for (int i = 0; if_nametoindex("vfloor0") && i < 2000; ++i) usleep(1000);
  return took;
}

static void run_at_each_line(int netlink, int bridge) {
  for (char line[64]; fgets(line, sizeof line, stdin);) {
    printf("%.1f\n", run_once(netlink, bridge));
    fflush(stdout);
  }
}

static int ascending(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  const int count = argc == 4 ? atoi(argv[3]) : -1;
  if (count < 0 || count > 10000) {
    fprintf(stderr, "usage: floor LOWER BRIDGE COUNT\n");
    return 2;
  }
  const int bridge = (int)if_nametoindex(argv[2]);
  snprintf(lower, sizeof lower, "%s", argv[1]);
  if (!mkdtemp(place)) return 1;
  owner = getpid();
  atexit(clean_up);
  snprintf(upper, sizeof upper, "%s/upper", place);
  snprintf(work, sizeof work, "%s/work", place);
  MUST(mkdir(upper, 0755));
  MUST(mkdir(work, 0755));
  const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (count == 0) {
    run_at_each_line(netlink, bridge);
    return 0;
  }
  double* times = calloc((size_t)count, sizeof *times);
  for (int i = 0; i < count; ++i) times[i] = run_once(netlink, bridge);
  qsort(times, (size_t)count, sizeof *times, ascending);
  printf("floor: min %.0f us, median %.0f us, of %d\n", times[0], times[count / 2], count);
  free(times);
  return 0;
}
