// SPDX-License-Identifier: Apache-2.0
// Block RAM and multiplier of an ECP5, as Yosys uses them: it ships no models of these two.
//
// What Yosys never asks for (registers at the outputs, inverted clocks) is refused. A bit that one
// port reads in the cycle in which the other writes it reads inverted, for the silicon promises
// nothing there.

module DP16KD(
  input
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
    DIA3, DIA2, DIA1, DIA0,
  input
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
  input
    CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
  output
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
    DOA3, DOA2, DOA1, DOA0,
  input
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
    DIB3, DIB2, DIB1, DIB0,
  input
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
  input
    CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
  output
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
    DOB3, DOB2, DOB1, DOB0
);

  parameter DATA_WIDTH_A = 18;
  parameter REGMODE_A = "NOREG";
  parameter CSDECODE_A = "0b000";
  parameter WRITEMODE_A = "NORMAL";
  parameter CLKAMUX = "CLKA";
  parameter DATA_WIDTH_B = 18;
  parameter REGMODE_B = "NOREG";
  parameter CSDECODE_B = "0b000";
  parameter WRITEMODE_B = "NORMAL";
  parameter CLKBMUX = "CLKB";
  parameter RESETMODE = "SYNC";
  parameter ASYNC_RESET_RELEASE = "SYNC";
  parameter GSR = "AUTO";
  parameter [319:0] INITVAL_00 = 0;
  parameter [319:0] INITVAL_01 = 0;
  parameter [319:0] INITVAL_02 = 0;
  parameter [319:0] INITVAL_03 = 0;
  parameter [319:0] INITVAL_04 = 0;
  parameter [319:0] INITVAL_05 = 0;
  parameter [319:0] INITVAL_06 = 0;
  parameter [319:0] INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0;
  parameter [319:0] INITVAL_09 = 0;
  parameter [319:0] INITVAL_0A = 0;
  parameter [319:0] INITVAL_0B = 0;
  parameter [319:0] INITVAL_0C = 0;
  parameter [319:0] INITVAL_0D = 0;
  parameter [319:0] INITVAL_0E = 0;
  parameter [319:0] INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0;
  parameter [319:0] INITVAL_11 = 0;
  parameter [319:0] INITVAL_12 = 0;
  parameter [319:0] INITVAL_13 = 0;
  parameter [319:0] INITVAL_14 = 0;
  parameter [319:0] INITVAL_15 = 0;
  parameter [319:0] INITVAL_16 = 0;
  parameter [319:0] INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0;
  parameter [319:0] INITVAL_19 = 0;
  parameter [319:0] INITVAL_1A = 0;
  parameter [319:0] INITVAL_1B = 0;
  parameter [319:0] INITVAL_1C = 0;
  parameter [319:0] INITVAL_1D = 0;
  parameter [319:0] INITVAL_1E = 0;
  parameter [319:0] INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0;
  parameter [319:0] INITVAL_21 = 0;
  parameter [319:0] INITVAL_22 = 0;
  parameter [319:0] INITVAL_23 = 0;
  parameter [319:0] INITVAL_24 = 0;
  parameter [319:0] INITVAL_25 = 0;
  parameter [319:0] INITVAL_26 = 0;
  parameter [319:0] INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0;
  parameter [319:0] INITVAL_29 = 0;
  parameter [319:0] INITVAL_2A = 0;
  parameter [319:0] INITVAL_2B = 0;
  parameter [319:0] INITVAL_2C = 0;
  parameter [319:0] INITVAL_2D = 0;
  parameter [319:0] INITVAL_2E = 0;
  parameter [319:0] INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0;
  parameter [319:0] INITVAL_31 = 0;
  parameter [319:0] INITVAL_32 = 0;
  parameter [319:0] INITVAL_33 = 0;
  parameter [319:0] INITVAL_34 = 0;
  parameter [319:0] INITVAL_35 = 0;
  parameter [319:0] INITVAL_36 = 0;
  parameter [319:0] INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0;
  parameter [319:0] INITVAL_39 = 0;
  parameter [319:0] INITVAL_3A = 0;
  parameter [319:0] INITVAL_3B = 0;
  parameter [319:0] INITVAL_3C = 0;
  parameter [319:0] INITVAL_3D = 0;
  parameter [319:0] INITVAL_3E = 0;
  parameter [319:0] INITVAL_3F = 0;
  localparam [20479:0] INIT = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39,
    INITVAL_38, INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32,
    INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B,
    INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24,
    INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D,
    INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16,
    INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F,
    INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
    INITVAL_00};

  reg [35:0] words [0:511];
  reg [35:0] read_a = 0, read_b = 0;
  integer index;

  initial begin
    for (index = 0; index < 512; index = index + 1)  // 16 halves of 18 bits in each 320
      words[index] = {INIT[40 * index + 20 +: 18], INIT[40 * index +: 18]};
    if (REGMODE_A != "NOREG" || REGMODE_B != "NOREG" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB"
        || CSDECODE_A != "0b000" || CSDECODE_B != "0b000") begin
      $display("DP16KD: no model of this mode");
      $finish;
    end
  end

  wire [17:0] data_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
    DIA3, DIA2, DIA1, DIA0};
  wire [17:0] data_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4,
    DIB3, DIB2, DIB1, DIB0};
  wire [13:0] address_a = {
    ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] address_b = {
    ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};

  // Where a value lies in its word of 36 bits: narrow ones leave each ninth bit alone.
  function [5:0] place(input integer width, input [4:0] low);
    case (width)
      36: place = 0;
      18: place = 6'd18 * low[4];
      9: place = 6'd9 * low[4:3];
      4: place = 6'd9 * low[4:3] + 6'd4 * low[2];
      2: place = 6'd9 * low[4:3] + 6'd2 * low[2:1];
      default: place = 6'd9 * low[4:3] + low[2:0];
    endcase
  endfunction

  // The bits that are written: wide words choose among their bytes by the lowest address bits.
  function [35:0] written(input integer width, input [4:0] low);
    reg [35:0] bytes;
    begin
      bytes = {{9{low[3]}}, {9{low[2]}}, {9{low[1]}}, {9{low[0]}}};
      case (width)
        36: written = bytes;
        18: written = (bytes & 36'h3ffff) << place(width, low);
        default: written = ((36'd1 << width) - 36'd1) << place(width, low);
      endcase
    end
  endfunction

  wire [5:0] place_a = place(DATA_WIDTH_A, address_a[4:0]);
  wire writes_a = CEA & WEA & ~RSTA & ~(CSA2 | CSA1 | CSA0);
  wire [35:0] mask_a = writes_a ? written(DATA_WIDTH_A, address_a[4:0]) : 36'd0;
  wire [35:0] value_a = DATA_WIDTH_A == 36 ? {data_b, data_a} : {18'd0, data_a} << place_a;
  wire [5:0] place_b = place(DATA_WIDTH_B, address_b[4:0]);
  wire writes_b = CEB & WEB & ~RSTB & ~(CSB2 | CSB1 | CSB0);
  wire [35:0] mask_b = writes_b ? written(DATA_WIDTH_B, address_b[4:0]) : 36'd0;
  wire [35:0] value_b = {18'd0, data_b} << place_b;

  // Whether what was read is cleared before the next cycle.
  wire clear_a = RESETMODE == "ASYNC" && RSTA;
  wire clear_b = RESETMODE == "ASYNC" && RSTB;

  wire [35:0] others_a = address_a[13:5] == address_b[13:5] ? mask_b : 36'd0;
  wire [35:0] found_a = words[address_a[13:5]] ^ others_a;
  always @(posedge CLKA)
    if (mask_a != 0)
      words[address_a[13:5]] <= (words[address_a[13:5]] & ~(mask_a | others_a))
        | (value_a & mask_a) | (value_b & others_a);
  always @(posedge CLKA or posedge clear_a)
    if (RSTA)
      read_a <= 0;
    else if (CEA && !WEA)
      read_a <= found_a >> place_a;
    else if (CEA && WRITEMODE_A == "WRITETHROUGH")
      read_a <= ((found_a & ~mask_a) | (value_a & mask_a)) >> place_a;
    else if (CEA && WRITEMODE_A == "READBEFOREWRITE")
      read_a <= found_a >> place_a;

  wire [35:0] others_b = address_a[13:5] == address_b[13:5] ? mask_a : 36'd0;
  wire [35:0] found_b = words[address_b[13:5]] ^ others_b;
  always @(posedge CLKB)
    if (mask_b != 0)
      words[address_b[13:5]] <= (words[address_b[13:5]] & ~(mask_b | others_b))
        | (value_b & mask_b) | (value_a & others_b);
  always @(posedge CLKB or posedge clear_b)
    if (RSTB)
      read_b <= 0;
    else if (CEB && !WEB)
      read_b <= found_b >> place_b;
    else if (CEB && WRITEMODE_B == "WRITETHROUGH")
      read_b <= ((found_b & ~mask_b) | (value_b & mask_b)) >> place_b;
    else if (CEB && WRITEMODE_B == "READBEFOREWRITE")
      read_b <= found_b >> place_b;

  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
    DOA3, DOA2, DOA1, DOA0}
    = DATA_WIDTH_B == 36 ? read_b[17:0] : read_a[17:0];
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
    DOB3, DOB2, DOB1, DOB0}
    = DATA_WIDTH_B == 36 ? read_b[35:18] : read_b[17:0];
endmodule

module MULT18X18D(
  input
    A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
  input
    B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
  input
    C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
  input
    SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  output
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
    P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);

  wire [17:0] a = {
    A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  wire [17:0] b = {
    B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  wire signed [35:0] left = {{18{SIGNEDA & a[17]}}, a};
  wire signed [35:0] right = {{18{SIGNEDB & b[17]}}, b};
  assign {
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
    P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = left * right;
endmodule
