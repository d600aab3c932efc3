// SPDX-License-Identifier: Apache-2.0
// A simulated board: the Verilated system, its serial line on a pseudo-terminal.
//
// usage: board DIVISOR. It writes the path of the terminal to its output, and ends with its input.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <deque>

#include "Vsystem.h"
#include "verilated.h"

static const int SLICE = 2000;         // cycles between two looks at the terminal
static const long PATIENCE = 2000000;  // cycles without a byte after which it sleeps in between

// Shift register of a line: cycles left of the bit at work, and bits left, the stop bit last.
struct Sender {
  int divisor, left = 0, bits = 0;
  unsigned frame = 1;
  bool free() const { return left == 0 && bits == 0; }
  void send(uint8_t byte) { frame = (1u << 9 | byte << 1), bits = 10, left = divisor; }
  bool step() {
    if (bits == 0) return true;
    bool level = frame & 1;
    if (--left == 0) frame >>= 1, left = --bits ? divisor : 0;
    return level;
  }
};

struct Receiver {
  int divisor, left = 0, bits = 0;
  unsigned frame = 0;
  bool step(bool level, uint8_t &byte) {
    if (bits == 0) {
      if (!level) bits = 10, left = divisor / 2, frame = 0;
      return false;
    }
    if (--left) return false;
    frame |= unsigned(level) << (10 - bits);
    left = divisor;
    byte = frame >> 1 & 255;
    return --bits == 0;
  }
};

static int fail(const char *what) {
  perror(what);
  return 1;
}

int main(int count, char **arguments) {
  int divisor = count > 1 ? atoi(arguments[1]) : 0;
  if (divisor < 4) return fprintf(stderr, "usage: board DIVISOR\n"), 2;
  int line = posix_openpt(O_RDWR | O_NOCTTY);
  if (line < 0 || grantpt(line) || unlockpt(line)) return fail("pseudo-terminal");
  const char *path = ptsname(line);
  int kept = open(path, O_RDWR | O_NOCTTY);  // so that a host may come and go
  termios settings;
  if (kept < 0 || tcgetattr(kept, &settings)) return fail(path);
  cfmakeraw(&settings);
  if (tcsetattr(kept, TCSANOW, &settings)) return fail(path);
  fcntl(line, F_SETFL, O_NONBLOCK);

  VerilatedContext context;
  Vsystem board(&context);
  board.rx = 1;
  board.rst = 1;
  Sender sender{divisor};
  Receiver receiver{divisor};
  std::deque<uint8_t> incoming, outgoing;
  long idle = 0;
  printf("%s\n", path);
  fflush(stdout);
  for (;;) {
    for (int cycle = 0; cycle < SLICE; ++cycle) {
      if (sender.free() && !incoming.empty()) sender.send(incoming.front()), incoming.pop_front();
      board.rx = sender.step();
      board.clk = 1;
      board.eval();
      board.clk = 0;
      board.eval();
      uint8_t byte;
      if (receiver.step(board.tx, byte)) outgoing.push_back(byte), idle = 0;
    }
    board.rst = 0;
    idle += SLICE;
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char buffer[4096];
    if (poll(&input, 1, idle > PATIENCE ? 2 : 0) > 0 && read(STDIN_FILENO, buffer, 1) <= 0) return 0;
    for (ssize_t got; (got = read(line, buffer, sizeof buffer)) > 0; idle = 0)
      incoming.insert(incoming.end(), buffer, buffer + got);
    while (!outgoing.empty() && write(line, &outgoing.front(), 1) == 1) outgoing.pop_front();
  }
}
