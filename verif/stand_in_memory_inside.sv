// SPDX-License-Identifier: Apache-2.0
// Stands in for an accelerator with its memory inside, 256 words of 64 bits: the load stream writes
// 32 bits at a time, the register `memory_address` (0x40) says where.
module accelerator(clk, rst, s_axil_awaddr, s_axil_awprot, s_axil_awvalid, s_axil_awready,
                   s_axil_wdata, s_axil_wstrb, s_axil_wvalid, s_axil_wready, s_axil_bresp,
                   s_axil_bvalid, s_axil_bready, s_axil_araddr, s_axil_arprot, s_axil_arvalid,
                   s_axil_arready, s_axil_rdata, s_axil_rresp, s_axil_rvalid, s_axil_rready,
                   irq, i_load__payload, i_load__valid, i_load__ready);
  input clk;
  input rst;
  input [11:0] s_axil_awaddr;
  input [2:0] s_axil_awprot;
  input s_axil_awvalid;
  output s_axil_awready;
  input [31:0] s_axil_wdata;
  input [3:0] s_axil_wstrb;
  input s_axil_wvalid;
  output s_axil_wready;
  output [1:0] s_axil_bresp;
  output reg s_axil_bvalid;
  input s_axil_bready;
  input [11:0] s_axil_araddr;
  input [2:0] s_axil_arprot;
  input s_axil_arvalid;
  output s_axil_arready;
  output [31:0] s_axil_rdata;
  output [1:0] s_axil_rresp;
  output s_axil_rvalid;
  input s_axil_rready;
  output irq;
  input [31:0] i_load__payload;
  input i_load__valid;
  output i_load__ready;
  reg [31:0] where;
  reg [1:0] pause;
  wire take = s_axil_awvalid && s_axil_wvalid && !s_axil_bvalid;
  wire load = i_load__valid && i_load__ready;
  assign s_axil_awready = take;
  assign s_axil_wready = take;
  assign s_axil_bresp = 0;
  assign s_axil_arready = 0;
  assign s_axil_rvalid = 0;
  assign s_axil_rdata = 0;
  assign s_axil_rresp = 0;
  assign irq = 0;
  assign i_load__ready = pause == 3;  // one word in four cycles
  always @(posedge clk) begin
    pause <= pause + 1;
    s_axil_bvalid <= take && !rst;
    if (take && s_axil_awaddr == 12'h40) where <= s_axil_wdata;
    else if (load) where <= where + 1;
  end
  \accelerator.memory  memory(.clk(clk), .write__en({load && where[0], load && !where[0]}),
    .write__addr(where[8:1]), .write__data({2{i_load__payload}}));
endmodule

module \accelerator.memory (clk, write__en, write__addr, write__data);
  input clk;
  input [1:0] write__en;
  input [7:0] write__addr;
  input [63:0] write__data;
  reg [63:0] words [255:0];
  always @(posedge clk) begin
    if (write__en[0])
      words[write__addr][31:0] <= write__data[31:0];
    if (write__en[1])
      words[write__addr][63:32] <= write__data[63:32];
  end
endmodule
