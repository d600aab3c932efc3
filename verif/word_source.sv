// SPDX-License-Identifier: Apache-2.0
// Words of in.hex, one after another, for a free-running bench. The file lies in the working
// directory at the end of the reset.
//
// `held`: there is a word; `offered`: it is not held back, as a share `gaps`, of 256, of the cycles
// does that begin without one. `moved`: it is taken. `noise` is random, for the other side.
module word_source(clk, rst, gaps, moved, word, held, offered, noise);
  parameter WIDTH = 1;
  input clk;
  input rst;
  input [7:0] gaps;
  input moved;
  output reg [WIDTH-1:0] word;
  output reg held;
  output reg offered;
  output reg [31:0] noise;
  integer in = 0, found;

  always @(posedge clk) begin
    noise <= rst ? 32'h1234567 : {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
    if (rst || moved) begin
      if (rst) begin
        if (in != 0) $fclose(in);
        in = $fopen("in.hex", "r");
      end
      found = $fscanf(in, "%h", word);
      held <= found == 1;
      offered <= noise[15:8] >= gaps;
    end else if (!offered) offered <= noise[15:8] >= gaps;
  end
endmodule
