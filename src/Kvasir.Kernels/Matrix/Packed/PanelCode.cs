using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// The assembler of one kernel: a panel of thirty-two rows of weights times a tile of 1 to 6 rows of activations. A lane is a row of weights;
/// each row of activations has two vectors of integer dot products for the group in work and two of float sums. That leaves eight vectors to a
/// format. Two vectors of weights, because a machine multiplies two vectors in the time that it loads little more than one: every broadcast
/// activation is used twice (5.3 against 3.1 billion VPDPBUSD a second on an Ice Lake core at 2.8 GHz).
/// </summary>
internal sealed class PanelCode(Assembler code, int rows, WeightsAhead ahead, int blockBytes)
{
    private const int Halves = 2;
    private const int FirstSum = Halves * ActivationTile.MostRows;
    private const int FirstFree = 2 * FirstSum;
    private const int LeastBytesAhead = 6144;
    private const int StartBytes = 2048;
    private const int LineBytes = 64;
    private const int VectorLanes = 16;

    // Whole blocks, so that a block's scales, which lie behind its codes and are wanted first, have been asked for as long as they.
    private readonly int _bytesAhead = (LeastBytesAhead + blockBytes - 1) / blockBytes * blockBytes;

    // The hardware follows one row's walk through short blocks alone. More rows take longer over a line than it looks ahead, and in blocks of 256 the scales
    // are further off than it sees.
    private readonly bool _asksForLines = ahead == WeightsAhead.Lines || rows > 1 || blockBytes > StartBytes;

    public Assembler Code => code;

    /// <summary>Rows of activations.</summary>
    public int Rows => rows;

    /// <summary>Where the block's codes begin.</summary>
    public static AssemblerRegister64 Codes => rsi;

    /// <summary>Where the block's scales begin.</summary>
    public static AssemblerRegister64 Scales => rdx;

    /// <summary>Where the tile's block of activations begins.</summary>
    public static AssemblerRegister64 Activations => rcx;

    /// <summary>Registers for loops within a block.</summary>
    public static (AssemblerRegister64 Count, AssemblerRegister64 X, AssemblerRegister64 Scales, AssemblerRegister64 Offsets, AssemblerRegister64 Step) Inner =>
        (r11, rbx, rbp, r12, r13);

    public static AssemblerRegister64 BlocksLeft => r8;

    public static AssemblerRegister64 Result => r9;

    public static AssemblerRegister64 ResultStride => r10;

    /// <summary>Integer dot products of activation row <paramref name="row"/> with the first or the second sixteen rows of weights.</summary>
    public static AssemblerRegisterZMM Dot(int row, int half) => Zmm(row * Halves + half);

    /// <summary>A vector that a format may use as it likes, 0 to 7.</summary>
    public static AssemblerRegisterZMM Free(int index) => Zmm(FirstFree + index);

    /// <summary>The whole kernel around a format's block.</summary>
    public void Write(PanelFormat format)
    {
        code.mov(Codes, Argument(nameof(PanelArguments.Weights)));
        code.mov(Activations, Argument(nameof(PanelArguments.Activations)));
        code.mov(BlocksLeft, Argument(nameof(PanelArguments.Blocks)));
        for (var i = 0; i < Halves * rows; i++)
            code.vpxord(Zmm(FirstSum + i), Zmm(FirstSum + i), Zmm(FirstSum + i));
        format.WriteConstants(this);

        var loop = code.CreateLabel();
        code.Label(ref loop);
        code.lea(Scales, __[Codes + format.CodeBytes]);
        for (var line = 0; line < format.ScaleBytes; line += LineBytes)
        {
            if (_asksForLines)
                PrefetchLine(format.CodeBytes + line);
        }

        format.WriteBlock(this);
        code.add(Codes, format.ScaleBytes);
        code.add(Activations, rows * ActivationTile.BlockBytes(format.Activations));
        code.dec(BlocksLeft);
        code.jne(loop);
        Store();
    }

    /// <summary>Every lane of <paramref name="target"/> becomes <paramref name="value"/>.</summary>
    public void Fill(AssemblerRegisterZMM target, uint value)
    {
        code.mov(eax, value);
        code.vpbroadcastd(target, eax);
    }

    /// <summary>Every sixteen bytes of <paramref name="target"/> become these two words.</summary>
    public void Fill(AssemblerRegisterZMM target, ulong low, ulong high)
    {
        code.mov(rax, high);
        code.vmovq(Xmm(1), rax);
        code.mov(rax, low);
        code.vmovq(Xmm(0), rax);
        code.vpunpcklqdq(Xmm(0), Xmm(0), Xmm(1));
        code.vshufi64x2(target, Zmm(0), Zmm(0), 0);
    }

    /// <summary>Sets the dot products to zero.</summary>
    public void ClearDots()
    {
        // The short form clears the whole register, and costs no multiplier.
        for (var i = 0; i < Halves * rows; i++)
            code.vpxor(Xmm(i), Xmm(i), Xmm(i));
    }

    /// <summary>Sets the dot products to the integers that lie one per row at <paramref name="offsets"/>.</summary>
    public void StartDots(AssemblerMemoryOperand offsets)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vpbroadcastd(Dot(row, 0), offsets + row * sizeof(int));
            code.vmovdqa64(Dot(row, 1), Dot(row, 0));
        }
    }

    /// <summary>Sets the dot products to 2^<paramref name="shift"/> times the integers that lie one per row at <paramref name="offsetsAt"/>.</summary>
    public void StartDots(int offsetsAt, byte shift) => StartDots(Activations, offsetsAt, shift);

    /// <summary>As the other one, from another place.</summary>
    public void StartDots(AssemblerRegister64 offsets, int at, byte shift)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vpslld(Dot(row, 0), __dword_bcst[offsets + at + row * sizeof(int)], shift);
            code.vmovdqa64(Dot(row, 1), Dot(row, 0));
        }
    }

    /// <summary>dots += 2^<paramref name="shift"/> times the integers that lie one per row at <paramref name="at"/>; x is overwritten.</summary>
    public void AddOffsets(AssemblerRegister64 offsets, int at, byte shift, AssemblerRegisterZMM x)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vpslld(x, __dword_bcst[offsets + at + row * sizeof(int)], shift);
            code.vpaddd(Dot(row, 0), Dot(row, 0), x);
            code.vpaddd(Dot(row, 1), Dot(row, 1), x);
        }
    }

    /// <summary>Asks for weights that follow some blocks later; called for each line of codes.</summary>
    public void PrefetchCodes(int offset)
    {
        if (_asksForLines)
            PrefetchLine(offset);
        else if (offset % StartBytes == 0)
            PrefetchStart(offset);
    }

    /// <summary>dots += codes x four activations of each row, those of the first row at <paramref name="activations"/>.</summary>
    public void AddDots((AssemblerRegisterZMM First, AssemblerRegisterZMM Second) codes, AssemblerMemoryOperand activations, AssemblerRegisterZMM x)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vpbroadcastd(x, activations + row * Q8Block32Row.BlockElements);
            code.vpdpbusd(Dot(row, 0), codes.First, x);
            code.vpdpbusd(Dot(row, 1), codes.Second, x);
        }
    }

    /// <summary>
    /// dots += two weights x two sums of activations, both as 16 bits; a row has <paramref name="sumsPerRow"/> sums from <paramref name="at"/> on.
    /// </summary>
    public void AddSumPairs((AssemblerRegisterZMM First, AssemblerRegisterZMM Second) weights, int at, int sumsPerRow, AssemblerRegisterZMM x)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vpbroadcastd(x, __dword_ptr[Activations + at + row * sumsPerRow * sizeof(short)]);
            code.vpdpwssd(Dot(row, 0), weights.First, x);
            code.vpdpwssd(Dot(row, 1), weights.Second, x);
        }
    }

    /// <summary>
    /// sums += dots x scale x the activations' scale, which lie one per row from <paramref name="scalesAt"/> on; x and product are overwritten.
    /// </summary>
    public void AddScaled(
        (AssemblerRegisterZMM First, AssemblerRegisterZMM Second) scale, int scalesAt,
        AssemblerRegisterZMM x, AssemblerRegisterZMM product, bool subtract = false)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vbroadcastss(x, __dword_ptr[Activations + scalesAt + row * sizeof(float)]);
            AddScaled(row, 0, scale.First, x, product, subtract);
            AddScaled(row, 1, scale.Second, x, product, subtract);
        }
    }

    public static AssemblerMemoryOperand Argument(string field) =>
        __qword_ptr[AssembledKernel.Arguments + (int)System.Runtime.InteropServices.Marshal.OffsetOf<PanelArguments>(field)];

    private static AssemblerRegisterZMM Sum(int row, int half) => Zmm(FirstSum + row * Halves + half);

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);

    private static AssemblerRegisterXMM Xmm(int number) => new(Register.XMM0 + number);

    private void PrefetchLine(int offset) => code.prefetcht0(__[Codes + offset + _bytesAhead]);

    // Blocks are shorter than half a page, and asking again for a line that has come costs nothing.
    private void PrefetchStart(int offset)
    {
        code.lea(rax, __[Codes + offset + _bytesAhead]);
        code.and(rax, -StartBytes);
        code.prefetcht0(__[rax]);
    }

    private void AddScaled(int row, int half, AssemblerRegisterZMM scale, AssemblerRegisterZMM x, AssemblerRegisterZMM product, bool subtract)
    {
        code.vmulps(product, scale, x);
        code.vcvtdq2ps(Dot(row, half), Dot(row, half));
        if (subtract)
            code.vfnmadd231ps(Sum(row, half), Dot(row, half), product);
        else
            code.vfmadd231ps(Sum(row, half), Dot(row, half), product);
    }

    private void Store()
    {
        code.mov(Result, Argument(nameof(PanelArguments.Results)));
        code.mov(ResultStride, Argument(nameof(PanelArguments.ResultStrideBytes)));
        code.mov(rax, Argument(nameof(PanelArguments.LaneMask)));
        code.kmovw(k1, eax);
        code.shr(rax, VectorLanes);
        code.kmovw(k2, eax);
        for (var row = 0; row < rows; row++)
        {
            code.vmovups(__zmmword_ptr[Result].k1, Sum(row, 0));
            code.vmovups(__zmmword_ptr[Result + LineBytes].k2, Sum(row, 1));
            code.add(Result, ResultStride);
        }
    }
}
