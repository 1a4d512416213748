using System.Runtime.InteropServices;
using Iced.Intel;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Attention.Formats;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Attention.Amx;

/// <summary>
/// Assembles a step of attention over a panel of rows for a tile of 32 queries: weights from the scores that are there, then the product of
/// values and weights. Tiles and vectors are different units of the processor, so their instructions alternate: while weights are computed,
/// the scores of the next 32 queries are multiplied. A weight is 2^score, cut to bf16; masses are sums of the weights as cut.
/// </summary>
internal static class TileStepCode
{
    /// <summary>Flush to zero, take denormals for zero, no exceptions: tiles do so anyway, and a subnormal weight would cost a trap into microcode.</summary>
    public const uint Mode = 0x9FC0;

    /// <summary>Groups of negative infinity that stand before the scores.</summary>
    public const int GroupsUntilMaxima = 1;

    private const int MostBlocks = PagedRows.MaxDim / RowBlocks.Elements;
    private const int Halves = 2;
    private const int Sums = 4;
    private const int VectorBytes = 64;
    private const int RowPairs = 16;
    private const int GroupScoreBytes = 4 * AmxTiles.Bytes;
    private const int GroupWeightBytes = 2 * AmxTiles.Bytes;

    // 2^r on [0, 1] with the least relative error, 2^-13.7, times 1 + 2^-9, so that cutting leaves 1 at r = 0.
    private static readonly float[] Power = [1.0018782f, 0.69719259f, 0.22650869f, 0.078176914f];

    private static readonly KernelTable[] Tables = MakeTables();

    private static AssemblerRegister64 Groups => rcx;

    private static AssemblerRegister64 Keys => rsi;

    private static AssemblerRegister64 Queries => rdx;

    private static AssemblerRegister64 Shifts => r15;

    private static AssemblerRegister64 Scores => r8;

    private static AssemblerRegister64 Weights => r9;

    private static AssemblerRegister64 Values => r10;

    private static AssemblerRegister64 Outputs => r11;

    private static AssemblerRegister64 Blocks => rbx;

    // Bytes from a row of a tile to the next; and none, where all rows are the same.
    private static AssemblerRegister64 Stride => rax;

    private static AssemblerRegister64 NoStride => rbp;

    private static AssemblerRegisterZMM UpperHalves => Zmm(20);

    private static AssemblerRegisterZMM Ones => Zmm(21);

    /// <summary>The kernel that does <paramref name="parts"/>, by blocks of 32 elements in a head: a function of <see cref="TileStepArguments"/>.</summary>
    public static KernelTable Kernels(TileParts parts) => Tables[(int)parts];

    private static KernelTable[] MakeTables()
    {
        var tables = new KernelTable[(int)(TileParts.Scores | TileParts.Outputs) + 1];
        for (var i = 0; i < tables.Length; i++)
        {
            var parts = (TileParts)i;
            tables[i] = new KernelTable(MostBlocks, (code, blocks) => Write(code, blocks, parts));
        }

        return tables;
    }

    private static void Write(Assembler code, int blocks, TileParts parts)
    {
        AmxTiles.WriteStart(code, rax);
        code.stmxcsr(__dword_ptr[AssembledKernel.Arguments + Offset(nameof(TileStepArguments.CallersMode))]);
        code.ldmxcsr(__dword_ptr[AssembledKernel.Arguments + Offset(nameof(TileStepArguments.Mode))]);
        WriteStart(code, parts);
        WriteGroups(code, blocks, parts);
        WriteEnd(code, parts);
        if (parts.HasFlag(TileParts.Outputs))
            WriteOutputs(code, blocks);
        code.ldmxcsr(__dword_ptr[AssembledKernel.Arguments + Offset(nameof(TileStepArguments.CallersMode))]);
        AmxTiles.WriteEnd(code);
    }

    private static void WriteStart(Assembler code, TileParts parts)
    {
        for (var i = 0; i < Power.Length; i++)
            Broadcast(code, Coefficient(i), BitConverter.SingleToUInt32Bits(Power[i]));
        Broadcast(code, UpperHalves, 0xFFFF0000);
        Broadcast(code, Ones, 0x3F803F80);
        for (var half = 0; half < Halves; half++)
            Broadcast(code, Maximum(half), BitConverter.SingleToUInt32Bits(float.NegativeInfinity));
        code.mov(rbp, Argument(nameof(TileStepArguments.Masses)));
        for (var half = 0; half < Halves && parts.HasFlag(TileParts.Outputs); half++)
            code.vmovups(Mass(half), __zmmword_ptr[rbp + half * VectorBytes]);

        code.mov(Stride, AmxTiles.RowBytes);
    }

    /// <summary>For each group: scores become weights, and meanwhile their places are filled with keys * queries.</summary>
    private static void WriteGroups(Assembler code, int blocks, TileParts parts)
    {
        var (scores, weighs) = (parts.HasFlag(TileParts.Scores), parts.HasFlag(TileParts.Outputs));
        var loop = code.CreateLabel();
        code.mov(Groups, Argument(nameof(TileStepArguments.Groups)));
        code.mov(Keys, Argument(nameof(TileStepArguments.Keys)));
        code.mov(Queries, Argument(nameof(TileStepArguments.Queries)));
        code.mov(Shifts, Argument(nameof(TileStepArguments.Shifts)));
        code.mov(Scores, Argument(nameof(TileStepArguments.Scores)));
        code.mov(Weights, Argument(nameof(TileStepArguments.Weights)));
        code.xor(NoStride, NoStride);
        code.Label(ref loop);
        var (tiles, vectors) = (new List<Action>(), new List<Action>());
        if (scores)
            AddScores(code, blocks, tiles);
        for (var pair = 0; pair < RowPairs; pair++)
        {
            if (weighs)
                AddWeights(code, pair, vectors);
            if (scores)
                AddMaxima(code, pair, GroupsUntilMaxima, vectors);
        }

        Interleave(tiles, vectors);
        for (var sum = 0; sum < Sums && scores; sum++)
            code.tilestored(__[Scores + Stride + sum * AmxTiles.Bytes], Tile(sum));
        code.add(Keys, blocks * 2 * AmxTiles.Bytes);
        code.add(Scores, GroupScoreBytes);
        code.add(Weights, GroupWeightBytes);
        code.dec(Groups);
        code.jnz(loop);
    }

    private static void AddScores(Assembler code, int blocks, List<Action> tiles)
    {
        for (var sum = 0; sum < Sums; sum++)
        {
            var (tile, half) = (Tile(sum), sum % Halves);
            tiles.Add(() => code.tileloadd(tile, __[Shifts + NoStride + half * VectorBytes]));
        }

        for (var block = 0; block < blocks; block++)
        {
            var (keys, queries) = (block * 2 * AmxTiles.Bytes, block * 4 * AmxTiles.Bytes);
            var (upper, lower) = (queries, queries + 2 * AmxTiles.Bytes);
            AddFourProducts(
                code, (__[Keys + Stride + keys], __[Keys + Stride + keys + AmxTiles.Bytes]),
                (__[Queries + Stride + upper], __[Queries + Stride + upper + AmxTiles.Bytes]), tiles);
            AddFourProducts(code, null, (__[Queries + Stride + lower], __[Queries + Stride + lower + AmxTiles.Bytes]), tiles);
        }
    }

    // Four sums: two tiles on the left, which stay from before if there are none, by two on the right.
    private static void AddFourProducts(
        Assembler code, (AssemblerMemoryOperand First, AssemblerMemoryOperand Second)? left,
        (AssemblerMemoryOperand First, AssemblerMemoryOperand Second) right, List<Action> tiles)
    {
        if (left is { } loaded)
            tiles.Add(() => code.tileloadd(tmm4, loaded.First));
        tiles.Add(() => code.tileloadd(tmm6, right.First));
        tiles.Add(() => code.tileloadd(tmm7, right.Second));
        if (left is { } alsoLoaded)
            tiles.Add(() => code.tileloadd(tmm5, alsoLoaded.Second));
        tiles.Add(() => code.tdpbf16ps(tmm0, tmm4, tmm6));
        tiles.Add(() => code.tdpbf16ps(tmm1, tmm4, tmm7));
        tiles.Add(() => code.tdpbf16ps(tmm2, tmm5, tmm6));
        tiles.Add(() => code.tdpbf16ps(tmm3, tmm5, tmm7));
    }

    // Two rows for both halves of the lanes: four chains of instructions side by side.
    private static void AddWeights(Assembler code, int pair, List<Action> vectors)
    {
        const byte FractionAboveFloor = 0x09;
        const int Chains = 2 * Halves;
        void ForEach(Action<int> write)
        {
            for (var chain = 0; chain < Chains; chain++)
            {
                var own = chain;
                vectors.Add(() => write(own));
            }
        }

        AssemblerMemoryOperand Exponent(int chain) => Score(2 * pair + chain / Halves, chain % Halves);
        static AssemblerRegisterZMM Fraction(int chain) => Zmm(chain);
        static AssemblerRegisterZMM Weight(int chain) => Zmm(Chains + chain);
        ForEach(chain => code.vreduceps(Fraction(chain), Exponent(chain), FractionAboveFloor));
        ForEach(chain => code.vmovaps(Weight(chain), Coefficient(Power.Length - 1)));
        for (var i = Power.Length - 2; i >= 0; i--)
        {
            var coefficient = Coefficient(i);
            ForEach(chain => code.vfmadd213ps(Weight(chain), Fraction(chain), coefficient));
        }

        ForEach(chain => code.vscalefps(Weight(chain), Weight(chain), Exponent(chain)));
        for (var half = 0; half < Halves; half++)
            AddPair(code, (Weight(half), Weight(Halves + half)), half, pair, vectors);
    }

    // The upper halves of two rows' weights, one behind the other in each lane.
    private static void AddPair(Assembler code, (AssemblerRegisterZMM Even, AssemblerRegisterZMM Odd) rows, int half, int pair, List<Action> vectors)
    {
        const byte FirstInSecondOrThird = 0xEA;
        const int HalfBits = 16;
        vectors.Add(() => code.vpsrld(rows.Even, rows.Even, HalfBits));
        vectors.Add(() => code.vpternlogd(rows.Odd, UpperHalves, rows.Even, FirstInSecondOrThird));
        vectors.Add(() => code.vdpbf16ps(Mass(half), rows.Odd, Ones));
        vectors.Add(() => code.vmovups(__zmmword_ptr[Weights + half * AmxTiles.Bytes + pair * VectorBytes], rows.Odd));
    }

    // Of a group that was scored in a turn before.
    private static void AddMaxima(Assembler code, int pair, int groupsAgo, List<Action> vectors)
    {
        for (var i = 0; i < 2 * Halves; i++)
        {
            var (row, half) = (2 * pair + i / Halves, i % Halves);
            vectors.Add(() => code.vmaxps(Maximum(half), Maximum(half), Score(row, half, -groupsAgo * GroupScoreBytes)));
        }
    }

    // Evenly, so that each finds something to do while the other waits.
    private static void Interleave(List<Action> tiles, List<Action> vectors)
    {
        var written = 0;
        for (var i = 0; i < vectors.Count; i++)
        {
            vectors[i]();
            for (; written * vectors.Count < (i + 1) * tiles.Count; written++)
                tiles[written]();
        }

        for (; written < tiles.Count; written++)
            tiles[written]();
    }

    private static void WriteEnd(Assembler code, TileParts parts)
    {
        var vectors = new List<Action>();
        for (var pair = 0; pair < GroupsUntilMaxima * RowPairs && parts.HasFlag(TileParts.Scores); pair++)
            AddMaxima(code, pair % RowPairs, GroupsUntilMaxima - pair / RowPairs, vectors);
        Interleave([], vectors);
        if (parts.HasFlag(TileParts.Scores))
            StoreLanes(code, nameof(TileStepArguments.Maxima), Maximum);
        if (parts.HasFlag(TileParts.Outputs))
            StoreLanes(code, nameof(TileStepArguments.Masses), Mass);
    }

    /// <summary>For each block: outputs += values * weights.</summary>
    private static void WriteOutputs(Assembler code, int blocks)
    {
        var (block, group) = (code.CreateLabel(), code.CreateLabel());
        code.mov(Values, Argument(nameof(TileStepArguments.Values)));
        code.mov(Outputs, Argument(nameof(TileStepArguments.Outputs)));
        code.mov(Blocks, blocks);
        code.Label(ref block);
        for (var sum = 0; sum < Sums; sum++)
            code.tileloadd(Tile(sum), __[Outputs + Stride + sum * AmxTiles.Bytes]);
        code.mov(Groups, Argument(nameof(TileStepArguments.Groups)));
        code.mov(Weights, Argument(nameof(TileStepArguments.Weights)));
        code.Label(ref group);
        var tiles = new List<Action>();
        AddFourProducts(
            code, (__[Values + Stride], __[Values + Stride + AmxTiles.Bytes]), (__[Weights + Stride], __[Weights + Stride + AmxTiles.Bytes]), tiles);
        Interleave(tiles, []);
        code.add(Values, 2 * AmxTiles.Bytes);
        code.add(Weights, GroupWeightBytes);
        code.dec(Groups);
        code.jnz(group);
        for (var sum = 0; sum < Sums; sum++)
            code.tilestored(__[Outputs + Stride + sum * AmxTiles.Bytes], Tile(sum));
        code.add(Outputs, Sums * AmxTiles.Bytes);
        code.dec(Blocks);
        code.jnz(block);
    }

    private static void StoreLanes(Assembler code, string field, Func<int, AssemblerRegisterZMM> register)
    {
        code.mov(rbp, Argument(field));
        for (var half = 0; half < Halves; half++)
            code.vmovups(__zmmword_ptr[rbp + half * VectorBytes], register(half));
    }

    private static void Broadcast(Assembler code, AssemblerRegisterZMM register, uint bits)
    {
        code.mov(eax, bits);
        code.vpbroadcastd(register, eax);
    }

    // Row of a group, half of the lanes.
    private static AssemblerMemoryOperand Score(int row, int half, int offset = 0) =>
        __zmmword_ptr[Scores + (row / AmxTiles.Rows * Halves + half) * AmxTiles.Bytes + row % AmxTiles.Rows * VectorBytes + offset];

    private static AssemblerMemoryOperand Argument(string field) => __qword_ptr[AssembledKernel.Arguments + Offset(field)];

    private static int Offset(string field) => (int)Marshal.OffsetOf<TileStepArguments>(field);

    private static AssemblerRegisterZMM Coefficient(int power) => Zmm(12 + power);

    private static AssemblerRegisterZMM Mass(int half) => Zmm(18 + half);

    private static AssemblerRegisterZMM Maximum(int half) => Zmm(22 + half);

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);

    private static AssemblerRegisterTMM Tile(int number) => new(Register.TMM0 + number);
}
