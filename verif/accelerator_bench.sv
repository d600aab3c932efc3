// SPDX-License-Identifier: Apache-2.0
// Free-running bench of the accelerator: a register access, a range of memory or a wait is one
// command of the testbench, and no testbench code runs in between.
//
// Its macros are written in front by verilator_transport.py: ACCELERATOR_PORTS, the connections
// of the unit by name; ACCELERATOR_MEMORY, the array of a memory inside; ACCELERATOR_WRITES, its
// write enable; ACCELERATOR_WRITE_ADDRESS. Without these three the memory is outside.

// One register access for each rise of `valid`, which stays until `done`. `result` is {no answer,
// response, data}.
module axi_lite_master(clk, rst, valid, write, address, data, done, result,
                       awaddr, awvalid, awready, wdata, wvalid, wready, bresp, bvalid, bready,
                       araddr, arvalid, arready, rdata, rresp, rvalid, rready);
  parameter ADDRESS_BITS = 32, PATIENCE = 10000;
  input clk, rst, valid, write, awready, wready, bvalid, arready, rvalid;
  input [31:0] address, data, rdata;
  input [1:0] bresp, rresp;
  output reg done, awvalid, wvalid, arvalid, bready, rready;
  output reg [34:0] result;
  output [ADDRESS_BITS-1:0] awaddr, araddr;
  output [31:0] wdata;
  reg busy;
  reg [31:0] waited;
  assign awaddr = address[ADDRESS_BITS-1:0];
  assign araddr = address[ADDRESS_BITS-1:0];
  assign wdata = data;
  always @(posedge clk) begin
    if (rst || !valid) {busy, done, awvalid, wvalid, arvalid, bready, rready} <= 0;
    else if (!busy && !done) begin
      {awvalid, wvalid, bready} <= {3{write}};
      {arvalid, rready} <= {2{!write}};
      busy <= 1;
      waited <= 0;
    end else if (busy) begin
      if (awready) awvalid <= 0;
      if (wready) wvalid <= 0;
      if (arready) arvalid <= 0;
      waited <= waited + 1;
      if ((bvalid && bready) || (rvalid && rready) || waited == PATIENCE) begin
        {busy, bready, rready} <= 0;
        done <= 1;
        result <= bvalid && bready ? {1'b0, bresp, 32'd0}
          : rvalid && rready ? {1'b0, rresp, rdata} : {1'b1, 34'd0};
      end
    end
  end
endmodule

// Sends `count` words of load_in.hex after a rise of `go`.
module load_player(clk, rst, go, count, done, valid, ready, payload);
  input clk, rst, go, ready;
  input [31:0] count;
  output reg done, valid;
  output reg [31:0] payload;
  reg went;
  reg [31:0] word, left;
  integer file = 0, found;
  always @(posedge clk) begin
    went <= go && !rst;
    if (rst || !go) {done, valid} <= 0;
    else if (!went) begin
      file = $fopen("load_in.hex", "r");
      left <= count;
    end else if (!done && (!valid || ready)) begin
      valid <= left != 0;
      if (left == 0) begin
        $fclose(file);
        done <= 1;
      end else begin
        found = $fscanf(file, "%h", word);
        payload <= word;
        left <= left - 1;
      end
    end
  end
endmodule

// `stopped` is high while there is something to look at: an irq, a fault of the memory bus,
// the end of the waves.
module accelerator_bench(clk, rst, cycle, access_valid, access_write, access_address,
                         access_data, access_done, access_result, memory_command, memory_first,
                         memory_words, latency, pace, stall, load_go, load_words, load_done,
                         interrupt_seen, fault, stopped, waves_from, waves_to);
  parameter WORD_BITS = 128, MEMORY_WORDS = 1024;
  parameter LITE_ADDRESS_BITS = 32, AXI_ADDRESS_BITS = 32, AXI_ID_BITS = 1;
  input clk;
  input rst;
  output reg [63:0] cycle;  // since the start; a reset does not clear it
  input access_valid;
  input access_write;
  input [31:0] access_address;
  input [31:0] access_data;
  output access_done;
  output [34:0] access_result;
  input [2:0] memory_command;  // as of axi_memory, for one cycle
  input [31:0] memory_first;
  input [31:0] memory_words;
  input [15:0] latency;
  input [8:0] pace;
  input [7:0] stall;
  input load_go;
  input [31:0] load_words;
  output load_done;
  output interrupt_seen;
  output [2:0] fault;
  output stopped;
  input [63:0] waves_from;  // first cycle of the waves
  input [63:0] waves_to;    // cycle of their end; 0 for no waves

  wire [LITE_ADDRESS_BITS-1:0] s_axil_awaddr, s_axil_araddr;
  wire [2:0] s_axil_awprot = 0, s_axil_arprot = 0;
  wire [31:0] s_axil_wdata, s_axil_rdata;
  wire [3:0] s_axil_wstrb = 15;
  wire [1:0] s_axil_bresp, s_axil_rresp;
  wire s_axil_awvalid, s_axil_awready, s_axil_wvalid, s_axil_wready, s_axil_bvalid;
  wire s_axil_bready, s_axil_arvalid, s_axil_arready, s_axil_rvalid, s_axil_rready, irq;
  wire [AXI_ID_BITS-1:0] m_axi_awid, m_axi_bid, m_axi_arid, m_axi_rid;
  wire [AXI_ADDRESS_BITS-1:0] m_axi_awaddr, m_axi_araddr;
  wire [7:0] m_axi_awlen, m_axi_arlen;
  wire [2:0] m_axi_awsize, m_axi_arsize, m_axi_awprot, m_axi_arprot;
  wire [1:0] m_axi_awburst, m_axi_arburst, m_axi_bresp, m_axi_rresp;
  wire [3:0] m_axi_awcache, m_axi_arcache;
  wire [WORD_BITS-1:0] m_axi_wdata, m_axi_rdata;
  wire [WORD_BITS/8-1:0] m_axi_wstrb;
  wire m_axi_awvalid, m_axi_awready, m_axi_wlast, m_axi_wvalid, m_axi_wready, m_axi_bvalid;
  wire m_axi_bready, m_axi_arvalid, m_axi_arready, m_axi_rlast, m_axi_rvalid, m_axi_rready;
  wire [31:0] i_load__payload;
  wire i_load__valid, i_load__ready;

  accelerator device(`ACCELERATOR_PORTS);

  axi_lite_master #(.ADDRESS_BITS(LITE_ADDRESS_BITS)) master(
    .clk(clk), .rst(rst), .valid(access_valid), .write(access_write),
    .address(access_address), .data(access_data), .done(access_done), .result(access_result),
    .awaddr(s_axil_awaddr), .awvalid(s_axil_awvalid), .awready(s_axil_awready),
    .wdata(s_axil_wdata), .wvalid(s_axil_wvalid), .wready(s_axil_wready),
    .bresp(s_axil_bresp), .bvalid(s_axil_bvalid), .bready(s_axil_bready),
    .araddr(s_axil_araddr), .arvalid(s_axil_arvalid), .arready(s_axil_arready),
    .rdata(s_axil_rdata), .rresp(s_axil_rresp), .rvalid(s_axil_rvalid),
    .rready(s_axil_rready));

`ifdef ACCELERATOR_MEMORY
  load_player player(
    .clk(clk), .rst(rst), .go(load_go), .count(load_words), .done(load_done),
    .valid(i_load__valid), .ready(i_load__ready), .payload(i_load__payload));
  assign fault = 0;
  integer log = 0;
  always @(posedge clk) begin
    case (memory_command)
      1: $readmemh("memory_in.hex", `ACCELERATOR_MEMORY, memory_first,
                   memory_first + memory_words - 1);
      2: $writememh("memory_out.hex", `ACCELERATOR_MEMORY, memory_first,
                    memory_first + memory_words - 1);
      3: log = $fopen("writes.log", "w");
      4: if (log != 0) begin
        $fclose(log);
        log = 0;
      end
      default: ;
    endcase
    if (log != 0 && `ACCELERATOR_WRITES)
      $fwrite(log, "%0d %0h\n", cycle, `ACCELERATOR_WRITE_ADDRESS);
  end
`else
  assign load_done = load_go;
  axi_memory #(.ADDRESS_BITS(AXI_ADDRESS_BITS), .DATA_BITS(WORD_BITS), .ID_BITS(AXI_ID_BITS),
               .WORDS(MEMORY_WORDS)) memory(
    .clk(clk), .rst(rst), .cycle(cycle), .latency(latency), .pace(pace), .stall(stall),
    .command(memory_command), .first(memory_first), .words(memory_words), .fault(fault),
    .awid(m_axi_awid), .awaddr(m_axi_awaddr), .awlen(m_axi_awlen), .awsize(m_axi_awsize),
    .awburst(m_axi_awburst), .awvalid(m_axi_awvalid), .awready(m_axi_awready),
    .wdata(m_axi_wdata), .wstrb(m_axi_wstrb), .wlast(m_axi_wlast), .wvalid(m_axi_wvalid),
    .wready(m_axi_wready), .bid(m_axi_bid), .bresp(m_axi_bresp), .bvalid(m_axi_bvalid),
    .bready(m_axi_bready), .arid(m_axi_arid), .araddr(m_axi_araddr), .arlen(m_axi_arlen),
    .arsize(m_axi_arsize), .arburst(m_axi_arburst), .arvalid(m_axi_arvalid),
    .arready(m_axi_arready), .rid(m_axi_rid), .rdata(m_axi_rdata), .rresp(m_axi_rresp),
    .rlast(m_axi_rlast), .rvalid(m_axi_rvalid), .rready(m_axi_rready));
`endif

  assign interrupt_seen = irq;
  assign stopped = irq || fault != 0 || (waves_to != 0 && cycle >= waves_to);
  initial cycle = 0;
  always @(posedge clk) begin
    cycle <= cycle + 1;
    if (waves_to != 0 && cycle == waves_from) begin
      $dumpfile("waves.vcd");
      $dumpvars;
    end
  end
endmodule
