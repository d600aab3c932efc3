// SPDX-License-Identifier: Apache-2.0
// Free-running bench of the time-to-first-spike core: it sends the words of in.hex, each
// {last, word}, and writes those it takes to out.log, each after the number of its cycle. Both
// lie in the working directory at the end of the reset.
//
// `gaps` and `stalls` are the shares, of 256, of cycles in which a word is not offered, and one
// is not taken. `done` rises with the end of the last of `frames` frames, on an error after its
// frame, or (`stuck`) when no word has moved for a long time.
module ttfs_bench(clk, rst, gaps, stalls, frames, done, stuck, cycle, error);
  parameter PATIENCE = 4000000;
  input clk;
  input rst;
  input [7:0] gaps;
  input [7:0] stalls;
  input [31:0] frames;
  output reg done;
  output reg stuck;
  output reg [31:0] cycle;
  output [7:0] error;

  reg taking;
  reg [31:0] still, seen;
  wire [32:0] word;
  wire [31:0] noise;
  integer out = 0;
  wire held, offered, in_ready, out_valid, out_last;
  wire [31:0] out_word;
  wire busy;
  wire moved = held && offered && in_ready;

  ttfs_core core(
    .clk(clk), .rst(rst), .s_axis_tdata(word[31:0]), .s_axis_tlast(word[32]),
    .s_axis_tvalid(held && offered), .s_axis_tready(in_ready), .m_axis_tdata(out_word),
    .m_axis_tlast(out_last), .m_axis_tvalid(out_valid), .m_axis_tready(taking), .busy(busy),
    .error(error));

  word_source #(.WIDTH(33)) source(
    .clk(clk), .rst(rst), .gaps(gaps), .moved(moved), .word(word), .held(held),
    .offered(offered), .noise(noise));

  always @(posedge clk) begin
    taking <= noise[7:0] >= stalls;
    if (rst) begin
      if (out != 0) $fclose(out);
      out = $fopen("out.log", "w");
      {done, stuck} <= 0;
      {cycle, still, seen} <= 0;
    end else if (!done) begin
      cycle <= cycle + 1;
      still <= moved || (out_valid && taking) ? 0 : still + 1;
      if (out_valid && taking) begin
        $fwrite(out, "%0d %h\n", cycle, {out_last, out_word});
        if (out_last) seen <= seen + 1;
      end
      if (still == PATIENCE || (out_valid && taking && out_last
          && (seen + 1 == frames || error != 0))) begin
        done <= 1;
        stuck <= still == PATIENCE;
        $fflush(out);
      end
    end
  end
endmodule
