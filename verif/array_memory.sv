// SPDX-License-Identifier: Apache-2.0
// The memory behind an array, as a number of bits per cycle: its contents are in files, here is
// only the time. `READS` reads and one write share `bandwidth` bits of each cycle, greedily, the
// turn of the first going round; what nobody wants is lost. A read fetches its `total` bits
// ahead, up to `room` bits more than are `used`: the buffer that it fetches into. The write
// takes away what was `produced`. There is no latency: all addresses are known long before.
module array_memory(clk, rst, bandwidth, total, room, used, fetched, produced, written, moves);
  parameter READS = 1;
  input clk, rst;
  input [31:0] bandwidth, produced;
  input [READS*32-1:0] total, room, used;
  output reg [READS*32-1:0] fetched;
  output reg [31:0] written;
  output moves;  // a bit moves in this cycle
  reg [31:0] first, left, wanted, ahead, share;
  reg [READS*32-1:0] fetched_next;
  reg [31:0] written_next;
  integer turn, who;
  always @* begin
    fetched_next = fetched;
    written_next = written;
    left = bandwidth;
    for (turn = 0; turn <= READS; turn = turn + 1) begin
      who = (first + turn) % (READS + 1);
      if (who == READS) wanted = produced - written;
      else begin
        wanted = total[who*32 +: 32] - fetched[who*32 +: 32];
        ahead = fetched[who*32 +: 32] - used[who*32 +: 32];
        if (wanted + ahead > room[who*32 +: 32])
          wanted = ahead > room[who*32 +: 32] ? 0 : room[who*32 +: 32] - ahead;
      end
      share = wanted < left ? wanted : left;
      left = left - share;
      if (who == READS) written_next = written + share;
      else fetched_next[who*32 +: 32] = fetched[who*32 +: 32] + share;
    end
  end
  assign moves = left != bandwidth;
  always @(posedge clk) begin
    if (rst) begin
      fetched <= 0;
      written <= 0;
      first <= 0;
    end else begin
      fetched <= fetched_next;
      written <= written_next;
      first <= first == READS ? 0 : first + 1;
    end
  end
endmodule
