// SPDX-License-Identifier: Apache-2.0
// Free-running bench of the FTP array: stimuli come from files, results go to files, and no
// testbench code runs in between. Files lie in the working directory at the time of `start`.

// Sends `count` words of FILE, over and over from its start, as fast as they are taken.
module stream_player(clk, rst, start, count, valid, ready, payload);
  parameter WIDTH = 8;
  parameter FILE = "";
  input clk, rst, start, ready;
  input [31:0] count;
  output reg valid;
  output reg [WIDTH-1:0] payload;
  reg [WIDTH-1:0] word;
  reg [31:0] left;
  integer file = 0, found;
  always @(posedge clk) begin
    if (rst) valid <= 0;
    else if (start) begin
      if (file != 0) $fclose(file);
      file = $fopen(FILE, "r");
    end
    if (start || (valid && ready)) begin
      if ((start ? count : left) == 0) valid <= 0;
      else begin
        found = $fscanf(file, "%h", word);
        if (found != 1) begin
          found = $rewind(file);
          found = $fscanf(file, "%h", word);
        end
        payload <= word;
        valid <= 1;
        left <= (start ? count : left) - 1;
      end
    end
  end
endmodule

// Takes words at once and writes each to FILE after the number of its cycle.
module stream_recorder(clk, rst, start, close, cycle, taken, valid, ready, payload);
  parameter WIDTH = 8;
  parameter FILE = "";
  input clk, rst, start, close, valid;
  input [31:0] cycle;
  input [WIDTH-1:0] payload;
  output ready;
  output reg [31:0] taken;
  integer file = 0;
  assign ready = 1;
  always @(posedge clk) begin
    if (rst) taken <= 0;
    else if (start) begin
      file = $fopen(FILE, "w");
      taken <= 0;
    end else if (close && file != 0) begin
      $fclose(file);
      file = 0;
    end else if (valid && file != 0) begin
      $fwrite(file, "%0d %h\n", cycle, payload);
      taken <= taken + 1;
    end
  end
endmodule

// `done` rises when the array is idle with all inputs sent, on an error, or (`stuck`) when
// nothing has moved for a long time.
module array_bench(clk, rst, start, tiles, rows, columns, channels, done, stuck, cycle, error,
                   counters);
  parameter TILE_WIDTH = 1, ROW_WIDTH = 1, COLUMN_WIDTH = 1, CHANNEL_WIDTH = 1;
  parameter PSUMS_WIDTH = 1, FIBER_WIDTH = 1, ERROR_WIDTH = 1, COUNTERS_WIDTH = 1;
  parameter PATIENCE = 100000;
  input clk;
  input rst;
  input start;
  input [31:0] tiles;
  input [31:0] rows;
  input [31:0] columns;
  input [31:0] channels;
  output reg done;
  output reg stuck;
  output reg [31:0] cycle;
  output [31:0] error;      // zero-extended
  output [511:0] counters;  // zero-extended

  wire tile_valid, tile_ready, row_valid, row_ready, column_valid, column_ready;
  wire channel_valid, channel_ready, psums_valid, psums_ready, fiber_valid, fiber_ready, busy;
  wire [TILE_WIDTH-1:0] tile;
  wire [ROW_WIDTH-1:0] row;
  wire [COLUMN_WIDTH-1:0] column;
  wire [CHANNEL_WIDTH-1:0] channel;
  wire [PSUMS_WIDTH-1:0] psums;
  wire [FIBER_WIDTH-1:0] fiber;
  wire [31:0] psums_taken, fibers_taken;
  wire moves = (tile_valid && tile_ready) || (row_valid && row_ready)
    || (column_valid && column_ready) || (channel_valid && channel_ready)
    || psums_valid || fiber_valid;
  wire [ERROR_WIDTH-1:0] array_error;
  wire [COUNTERS_WIDTH-1:0] array_counters;
  assign error = array_error;
  assign counters = array_counters;
  reg running;
  reg [31:0] still;

  stream_player #(.WIDTH(TILE_WIDTH), .FILE("tiles.hex")) tile_player(
    .clk(clk), .rst(rst), .start(start), .count(tiles),
    .valid(tile_valid), .ready(tile_ready), .payload(tile));
  stream_player #(.WIDTH(ROW_WIDTH), .FILE("rows.hex")) row_player(
    .clk(clk), .rst(rst), .start(start), .count(rows),
    .valid(row_valid), .ready(row_ready), .payload(row));
  stream_player #(.WIDTH(COLUMN_WIDTH), .FILE("columns.hex")) column_player(
    .clk(clk), .rst(rst), .start(start), .count(columns),
    .valid(column_valid), .ready(column_ready), .payload(column));
  stream_player #(.WIDTH(CHANNEL_WIDTH), .FILE("channels.hex")) channel_player(
    .clk(clk), .rst(rst), .start(start), .count(channels),
    .valid(channel_valid), .ready(channel_ready), .payload(channel));
  stream_recorder #(.WIDTH(PSUMS_WIDTH), .FILE("psums.log")) psums_recorder(
    .clk(clk), .rst(rst), .start(start), .close(done), .cycle(cycle), .taken(psums_taken),
    .valid(psums_valid), .ready(psums_ready), .payload(psums));
  stream_recorder #(.WIDTH(FIBER_WIDTH), .FILE("fibers.log")) fiber_recorder(
    .clk(clk), .rst(rst), .start(start), .close(done), .cycle(cycle), .taken(fibers_taken),
    .valid(fiber_valid), .ready(fiber_ready), .payload(fiber));

  ftp_array array(
    .clk(clk), .rst(rst), .clear(start), .busy(busy),
    .error(array_error), .counters(array_counters),
    .i_tile__valid(tile_valid), .i_tile__ready(tile_ready), .i_tile__payload(tile),
    .i_row__valid(row_valid), .i_row__ready(row_ready), .i_row__payload(row),
    .i_column__valid(column_valid), .i_column__ready(column_ready), .i_column__payload(column),
    .i_channel__valid(channel_valid), .i_channel__ready(channel_ready),
    .i_channel__payload(channel),
    .o_psums__valid(psums_valid), .o_psums__ready(psums_ready), .o_psums__payload(psums),
    .o__valid(fiber_valid), .o__ready(fiber_ready), .o__payload(fiber));

  always @(posedge clk) begin
    if (rst) begin
      {running, done, stuck} <= 0;
      cycle <= 0;
    end else if (start) begin
      running <= 1;
      {done, stuck} <= 0;
      cycle <= 0;
      still <= 0;
    end else if (running) begin
      cycle <= cycle + 1;
      still <= moves ? 0 : still + 1;
      // 4 still cycles: `busy` follows a tile into the array one cycle late
      if (still == PATIENCE || error != 0 || (still >= 4 && !busy && !tile_valid
          && !row_valid && !column_valid && !channel_valid)) begin
        running <= 0;
        done <= 1;
        stuck <= still == PATIENCE;
      end
    end
  end
endmodule
