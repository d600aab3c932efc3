// SPDX-License-Identifier: Apache-2.0
// Free-running bench of the vision transformer core: it does what the words of in.hex say, a kind
// above LOAD bits (0: store a conductance, 1: load a word, 2: run to the end, 3: make a mark), and
// writes to out.log, each with the number of its cycle: `s` a change of the instruction that comes
// next, `o` a logit, `p` the end of programming, `e` the end of a run, `m` a mark. Both files lie
// in the working directory at the end of the reset.
//
// `gaps` and `stalls` are the shares, of 256, of cycles in which a word is not offered, and a
// logit is not taken. `done` rises behind the last line, or (`stuck`) when nothing has moved for
// a long time.
module vit_bench(clk, rst, gaps, stalls, done, stuck, cycle, effort);
  parameter LOAD = 1;
  parameter PROGRAM = 1;
  parameter STEP = 1;
  parameter PATIENCE = 4000000;
  input clk;
  input rst;
  input [7:0] gaps;
  input [7:0] stalls;
  output reg done;
  output reg stuck;
  output reg [31:0] cycle;
  output [95:0] effort;

  reg taking, programmed, ran;
  reg [31:0] still;
  wire [LOAD-1:0] word;
  wire [1:0] kind;
  wire [31:0] noise;
  reg [STEP-1:0] seen;
  integer out = 0;
  wire [STEP-1:0] step;
  wire [31:0] logit;
  wire held, offered, load_ready, program_ready, out_valid, programming, busy;
  wire load = held && offered && kind == 1;
  wire store = held && offered && kind == 0;
  wire idle = !busy && !programming;
  wire start = held && kind == 2 && idle;
  wire mark = held && kind == 3 && idle;
  wire moved = (load && load_ready) || (store && program_ready) || start || mark;

  vit_core core(
    .clk(clk), .rst(rst), .i_load__payload(word), .i_load__valid(load),
    .i_load__ready(load_ready), .i_program__payload(word[PROGRAM-1:0]),
    .i_program__valid(store), .i_program__ready(program_ready), .start(start), .busy(busy),
    .programming(programming), .effort(effort), .step(step), .o__payload(logit),
    .o__valid(out_valid), .o__ready(taking));

  word_source #(.WIDTH(LOAD + 2)) source(
    .clk(clk), .rst(rst), .gaps(gaps), .moved(moved), .word({kind, word}), .held(held),
    .offered(offered), .noise(noise));

  always @(posedge clk) begin
    taking <= noise[7:0] >= stalls;
    if (rst) begin
      if (out != 0) $fclose(out);
      out = $fopen("out.log", "w");
      {done, stuck, ran, programmed} <= 0;
      {cycle, still, seen} <= 0;
    end else if (!done) begin
      cycle <= cycle + 1;
      seen <= step;
      {programmed, ran} <= {programming, busy};
      still <= moved || step != seen || programming || (out_valid && taking) ? 0 : still + 1;
      if (programmed && !programming) $fwrite(out, "%0d p 0\n", cycle);
      if (step != seen) $fwrite(out, "%0d s %0d\n", cycle, step);
      if (out_valid && taking) $fwrite(out, "%0d o %0d\n", cycle, $signed(logit));
      if (ran && !busy) $fwrite(out, "%0d e 0\n", cycle);
      if (mark) $fwrite(out, "%0d m 0\n", cycle);
      if (still == PATIENCE || (!held && idle && !ran && !programmed)) begin
        done <= 1;
        stuck <= still == PATIENCE;
        $fflush(out);
      end
    end
  end
endmodule
