using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Matrix.Codecs;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Matrix.Packed;

/// <summary>
/// The assembler of one kernel where vectors have 256 bits and bytes are multiplied by VPMADDUBSW: a panel times a tile of 1 to 6 rows of activations. A
/// lane is a row of weights; the panel's thirty-two rows are four strips of eight. One row of activations meets all strips at once, so that the panel is one
/// stream from memory; more rows meet one or two strips after the other, whose sums then fit the sixteen registers, and find the panel in the cache.
/// Results are those of <see cref="PanelCode"/>, bit for bit: integers are exact, and floats are added in the same order.
/// </summary>
internal sealed class StripCode(Assembler code, int rows, int blockBytes)
{
    /// <summary>Rows of a strip.</summary>
    public const int Rows = 8;

    private const int Strips = PanelFormat.Rows / Rows;
    private const int VectorBytes = 32;
    private const int LineBytes = 64;
    private const int LeastBytesAhead = 6144;
    private const uint AllLanes = 0xFF;
    private static readonly nint Constants = MakeConstants();

    // Strips whose sums are in registers.
    private readonly int _held = rows switch
    {
        1 => Strips,
        <= 3 => 2,
        _ => 1,
    };

    // Lines are asked for in the order of their addresses, whatever the order in which they are used, so that the hardware sees one stream: a Zen 3 core reads
    // Q6_K, whose parts are used in turn, at 9.3 GB/s so and at 5.7 otherwise. Two blocks, since scales lie behind the codes and are wanted first.
    private readonly int _bytesAhead = Math.Max(2, (LeastBytesAhead + blockBytes - 1) / blockBytes) * blockBytes;
    private int _linesAsked;
    private int _bytesDue;
    private int _firstStrip;

    private enum Constant
    {
        Ones16,
        LowNibbles,
        HighPairs,
        SignBits,
        LaneBits,
        MXFP4Values,
        IQ4Values,
        LeastScales,
        OneHalves,
    }

    public Assembler Code => code;

    /// <summary>Rows of activations.</summary>
    public int ActivationRows => rows;

    /// <summary>The strips that a block of code multiplies.</summary>
    public IEnumerable<int> HeldStrips => Enumerable.Range(_firstStrip, _held);

    /// <summary>Bits 4 and 5 of every byte.</summary>
    public static AssemblerMemoryOperand HighPairs => At(Constant.HighPairs);

    /// <summary>The top bit of every byte.</summary>
    public static AssemblerMemoryOperand SignBits => At(Constant.SignBits);

    /// <summary>The table of MXFP4's doubled values, for a shuffle.</summary>
    public static AssemblerMemoryOperand MXFP4Values => At(Constant.MXFP4Values);

    /// <summary>The table of IQ4_NL's and IQ4_XS' values, likewise.</summary>
    public static AssemblerMemoryOperand IQ4Values => At(Constant.IQ4Values);

    /// <summary>2^-127 in every lane: twice MXFP4's least scale.</summary>
    public static AssemblerMemoryOperand LeastScales => At(Constant.LeastScales);

    /// <summary>0.5 in every lane.</summary>
    public static AssemblerMemoryOperand OneHalves => At(Constant.OneHalves);

    /// <summary>Dot products of activation row <paramref name="row"/> with a strip: sixteen of 16 bits or eight of 32.</summary>
    public AssemblerRegisterYMM Dot(int row, int strip) => Ymm(row * _held + strip - _firstStrip);

    /// <summary>A vector that a format may use as it likes, 0 to 3.</summary>
    public AssemblerRegisterYMM Free(int index) => Ymm(2 * rows * _held + index);

    /// <summary>The whole kernel around a format's block.</summary>
    public void Write(PanelFormat format)
    {
        code.mov(r14, Constants);
        WriteNextPanel();
        for (_firstStrip = 0; _firstStrip < Strips; _firstStrip += _held)
            WritePass(format);
    }

    /// <summary>Thirty-two bytes of the codes of a strip, from the line pair at <paramref name="at"/>; asks for weights ahead.</summary>
    public AssemblerMemoryOperand CodesAt(int at, int strip)
    {
        if (strip == _firstStrip)
            AskAhead();
        return CachedCodesAt(at, strip);
    }

    /// <summary>As <see cref="CodesAt"/>, where the same bytes were read before.</summary>
    public static AssemblerMemoryOperand CachedCodesAt(int at, int strip) => __ymmword_ptr[PanelCode.Codes + at + strip * VectorBytes];

    /// <summary>
    /// dots of 16 bits += unsigned codes, which <paramref name="load"/> fetches for a strip, x four activations of each row; the first such product replaces
    /// what was there. Codes below 16 may be added eight times: 8 x 2 x 15 x 127 is less than 2^15. Takes <see cref="Free"/> 0 and 1.
    /// </summary>
    public void AddBytes(Action<AssemblerRegisterYMM, int> load, AssemblerMemoryOperand activations, bool first)
    {
        var (x, codes) = (Free(0), Free(1));
        if (rows == 1)
            code.vpbroadcastd(x, activations);
        foreach (var strip in HeldStrips)
        {
            load(codes, strip);
            for (var row = 0; row < rows; row++)
            {
                // Several rows meet the codes, one row meets the codes of several strips.
                if (rows > 1)
                    code.vpbroadcastd(x, activations + row * Q8Block32Row.BlockElements);
                var products = rows > 1 ? x : codes;
                code.vpmaddubsw(first ? Dot(row, strip) : products, codes, x);
                if (!first)
                    code.vpaddw(Dot(row, strip), Dot(row, strip), products);
            }
        }
    }

    /// <summary>dots of 32 bits += the sums of neighbours in <paramref name="products"/>, of 16 bits, which is overwritten.</summary>
    public void AddPairs(int row, int strip, AssemblerRegisterYMM products, bool first)
    {
        var sums = first ? Dot(row, strip) : products;
        code.vpmaddwd(sums, products, Ones16);
        if (!first)
            code.vpaddd(Dot(row, strip), Dot(row, strip), products);
    }

    /// <summary>As the other form, of products of 16-bit numbers.</summary>
    public void AddPairs(int row, int strip, (AssemblerRegisterYMM First, AssemblerRegisterYMM Second) factors, bool first)
    {
        var sums = first ? Dot(row, strip) : factors.First;
        code.vpmaddwd(sums, factors.First, factors.Second);
        if (!first)
            code.vpaddd(Dot(row, strip), Dot(row, strip), factors.First);
    }

    /// <summary>The low or the high four bits of bytes at <paramref name="at"/>; the low ones come first, and ask for weights ahead.</summary>
    public void LoadNibbles(AssemblerRegisterYMM codes, int at, int strip, bool isHigh)
    {
        code.vmovdqu(codes, isHigh ? CachedCodesAt(at, strip) : CodesAt(at, strip));
        if (isHigh)
            code.vpsrld(codes, codes, 4);
        code.vpand(codes, codes, At(Constant.LowNibbles));
    }

    /// <summary>Makes 32-bit dot products of 16-bit ones.</summary>
    public void WidenDots(int strip)
    {
        for (var row = 0; row < rows; row++)
            code.vpmaddwd(Dot(row, strip), Dot(row, strip), Ones16);
    }

    /// <summary>dots of 32 bits += the integers that lie one per row at <paramref name="offsets"/>.</summary>
    public void AddOffsets(int strip, AssemblerMemoryOperand offsets, AssemblerRegisterYMM x)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vpbroadcastd(x, offsets + row * sizeof(int));
            code.vpaddd(Dot(row, strip), Dot(row, strip), x);
        }
    }

    /// <summary>sums += dots x scale x the activations' scale, which lie one per row from <paramref name="scalesAt"/> on; x is overwritten.</summary>
    public void AddScaled(AssemblerRegisterYMM scale, int strip, int scalesAt, AssemblerRegisterYMM x, bool subtract = false)
    {
        for (var row = 0; row < rows; row++)
        {
            code.vbroadcastss(x, __dword_ptr[PanelCode.Activations + scalesAt + row * sizeof(float)]);
            code.vmulps(x, scale, x);
            code.vcvtdq2ps(Dot(row, strip), Dot(row, strip));
            if (subtract)
                code.vfnmadd231ps(Sum(row, strip), Dot(row, strip), x);
            else
                code.vfmadd231ps(Sum(row, strip), Dot(row, strip), x);
        }
    }

    /// <summary>Half-precision numbers of a strip, which lie one per row of the panel at <paramref name="at"/> of the scales.</summary>
    public void LoadHalves(AssemblerRegisterYMM target, int at, int strip) =>
        code.vcvtph2ps(target, __xmmword_ptr[PanelCode.Scales + at + strip * Rows * sizeof(ushort)]);

    // VPMADDWD with them adds neighbours into 32 bits.
    private static AssemblerMemoryOperand Ones16 => At(Constant.Ones16);

    private static AssemblerRegister64 NextPanel => r15;

    private static AssemblerMemoryOperand At(Constant constant) => __ymmword_ptr[r14 + (int)constant * VectorBytes];

    private static AssemblerRegisterYMM Ymm(int number) => new(Register.YMM0 + number);

    private static unsafe nint MakeConstants()
    {
        var start = (uint*)NativeMemory.AlignedAlloc((nuint)Enum.GetValues<Constant>().Length * VectorBytes, LineBytes);
        for (var lane = 0; lane < Rows; lane++)
        {
            start[(int)Constant.Ones16 * Rows + lane] = 0x00010001;
            start[(int)Constant.LowNibbles * Rows + lane] = 0x0F0F0F0F;
            start[(int)Constant.HighPairs * Rows + lane] = 0x30303030;
            start[(int)Constant.SignBits * Rows + lane] = 0x80808080;
            start[(int)Constant.LaneBits * Rows + lane] = 1u << lane;
            start[(int)Constant.MXFP4Values * Rows + lane] = MemoryMarshal.Cast<sbyte, uint>(MXFP4Codec.Values)[lane % 4];
            start[(int)Constant.IQ4Values * Rows + lane] = MemoryMarshal.Cast<sbyte, uint>(TableNibbles.Iq4)[lane % 4];
            start[(int)Constant.LeastScales * Rows + lane] = 0x00400000;
            start[(int)Constant.OneHalves * Rows + lane] = 0x3F000000;
        }

        return (nint)start;
    }

    private AssemblerRegisterYMM Sum(int row, int strip) => Ymm(rows * _held + row * _held + strip - _firstStrip);

    private void WritePass(PanelFormat format)
    {
        code.mov(PanelCode.Codes, PanelCode.Argument(nameof(PanelArguments.Weights)));
        code.mov(PanelCode.Activations, PanelCode.Argument(nameof(PanelArguments.Activations)));
        code.mov(PanelCode.BlocksLeft, PanelCode.Argument(nameof(PanelArguments.Blocks)));
        foreach (var strip in HeldStrips)
        {
            for (var row = 0; row < rows; row++)
                code.vpxor(Sum(row, strip), Sum(row, strip), Sum(row, strip));
        }

        var loop = code.CreateLabel();
        code.Label(ref loop);
        code.lea(PanelCode.Scales, __[PanelCode.Codes + format.CodeBytes]);
        (_linesAsked, _bytesDue) = (0, LineBytes - 1);
        format.WriteBlock(this);
        _linesAsked = 0;
        if (rows == 1)
            AskForLines((format.ScaleBytes + LineBytes - 1) / LineBytes);
        code.add(PanelCode.Codes, format.ScaleBytes);
        code.add(PanelCode.Activations, rows * ActivationTile.BlockBytes(format.Activations));
        code.dec(PanelCode.BlocksLeft);
        code.jne(loop);
        foreach (var strip in HeldStrips)
            Store(strip);
    }

    private void WriteNextPanel()
    {
        code.mov(NextPanel, PanelCode.Argument(nameof(PanelArguments.Blocks)));
        code.imul(NextPanel, NextPanel, blockBytes);
        code.add(NextPanel, PanelCode.Argument(nameof(PanelArguments.Weights)));
    }

    // Called for each pair of lines of codes that a strip's lie in. Several rows ask for the next panel all the time while they multiply this one, of which
    // only the first strip would find anything to ask for.
    private void AskAhead()
    {
        if (rows == 1)
        {
            AskForLines(2);
            return;
        }

        for (_bytesDue += 2 * LineBytes * _held / Strips; _bytesDue >= LineBytes; _bytesDue -= LineBytes)
        {
            code.prefetcht1(__[NextPanel]);
            code.add(NextPanel, LineBytes);
        }
    }

    private void AskForLines(int count)
    {
        for (var i = 0; i < count; i++, _linesAsked++)
            code.prefetcht0(__[PanelCode.Codes + _bytesAhead + _linesAsked * LineBytes]);
    }

    // A masked store takes as long as a block does, and only the last panel of a matrix may need one.
    private void Store(int strip)
    {
        var (whole, end) = (code.CreateLabel(), code.CreateLabel());
        code.mov(PanelCode.Result, PanelCode.Argument(nameof(PanelArguments.Results)));
        code.mov(PanelCode.ResultStride, PanelCode.Argument(nameof(PanelArguments.ResultStrideBytes)));
        code.mov(rax, PanelCode.Argument(nameof(PanelArguments.LaneMask)));
        code.shr(rax, (byte)(strip * Rows));
        code.and(eax, AllLanes);
        code.cmp(eax, AllLanes);
        code.je(whole);
        var mask = Dot(0, strip);
        code.vmovd(new AssemblerRegisterXMM(Register.XMM0 + strip - _firstStrip), eax);
        code.vpbroadcastd(mask, new AssemblerRegisterXMM(Register.XMM0 + strip - _firstStrip));
        code.vpand(mask, mask, At(Constant.LaneBits));
        code.vpcmpeqd(mask, mask, At(Constant.LaneBits));
        for (var row = 0; row < rows; row++, code.add(PanelCode.Result, PanelCode.ResultStride))
            code.vmaskmovps(__ymmword_ptr[PanelCode.Result + strip * VectorBytes], mask, Sum(row, strip));
        code.jmp(end);
        code.Label(ref whole);
        for (var row = 0; row < rows; row++, code.add(PanelCode.Result, PanelCode.ResultStride))
            code.vmovups(__ymmword_ptr[PanelCode.Result + strip * VectorBytes], Sum(row, strip));
        code.Label(ref end);
        code.nop();
    }
}
