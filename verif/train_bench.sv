// SPDX-License-Identifier: Apache-2.0
// Free-running bench of the training core: it sends the instructions of in.hex and writes what is
// read to out.log, each word after the number of its cycle. Both lie in the working directory at
// the end of the reset.
//
// `gaps` and `stalls` are the shares, of 256, of cycles in which an instruction is not offered,
// and a word is not taken. `done` rises behind the last instruction, or (`stuck`) when nothing has
// moved for a long time.
module train_bench(clk, rst, gaps, stalls, done, stuck, cycle, error);
  parameter INSTRUCTION = 1;
  parameter WORD = 1;
  parameter PATIENCE = 4000000;
  input clk;
  input rst;
  input [7:0] gaps;
  input [7:0] stalls;
  output reg done;
  output reg stuck;
  output reg [31:0] cycle;
  output [7:0] error;

  reg taking;
  reg [31:0] still;
  wire [INSTRUCTION-1:0] instruction;
  wire [31:0] noise;
  integer out = 0;
  wire held, offered, in_ready, out_valid, busy;
  wire [WORD-1:0] word;
  wire moved = held && offered && in_ready;

  train_core core(
    .clk(clk), .rst(rst), .i__payload(instruction), .i__valid(held && offered),
    .i__ready(in_ready), .o__payload(word), .o__valid(out_valid), .o__ready(taking),
    .busy(busy), .error(error));

  word_source #(.WIDTH(INSTRUCTION)) source(
    .clk(clk), .rst(rst), .gaps(gaps), .moved(moved), .word(instruction), .held(held),
    .offered(offered), .noise(noise));

  always @(posedge clk) begin
    taking <= noise[7:0] >= stalls;
    if (rst) begin
      if (out != 0) $fclose(out);
      out = $fopen("out.log", "w");
      {done, stuck} <= 0;
      {cycle, still} <= 0;
    end else if (!done) begin
      cycle <= cycle + 1;
      still <= moved || (out_valid && taking) ? 0 : still + 1;
      if (out_valid && taking) $fwrite(out, "%0d %h\n", cycle, word);
      if (still == PATIENCE || (!held && !busy && !out_valid)) begin
        done <= 1;
        stuck <= still == PATIENCE;
        $fflush(out);
      end
    end
  end
endmodule
