using Iced.Intel;
using Kvasir.Kernels.Assembly;
using static Iced.Intel.AssemblerRegisters;

namespace Kvasir.Kernels.Machine;

/// <summary>Multiply-adds that .NET has no class for, all operands in registers: twelve sums that do not wait for each other.</summary>
internal static unsafe class AssembledLoops
{
    private const int Sums = 12;
    private const int Unrolled = 4;
    private const int VectorBytes = 64;

    /// <summary>Bytes into 32-bit sums.</summary>
    public static MultiplyAddLoop Vnni => Loop("512-bit VPDPBUSD", CpuFeatures.HasVnni, VectorBytes, static (code, sum) => code.vpdpbusd(sum, zmm30, zmm31));

    /// <summary>Pairs of bf16 numbers into single precision.</summary>
    public static MultiplyAddLoop Bf16 =>
        Loop("512-bit VDPBF16PS", CpuFeatures.HasBf16, VectorBytes / 2, static (code, sum) => code.vdpbf16ps(sum, zmm30, zmm31));

    /// <summary>Tiles of bf16 numbers into single precision: four sums, each of two operands used twice, as a matrix product has them.</summary>
    public static MultiplyAddLoop TiledBf16
    {
        get
        {
            const int Products = AmxTiles.Rows * AmxTiles.Rows * (AmxTiles.RowBytes / 2);
            return Loop("AMX TDPBF16PS", CpuFeatures.HasAmx, 2 * 4 * Products, code =>
            {
                code.tdpbf16ps(tmm0, tmm4, tmm6);
                code.tdpbf16ps(tmm1, tmm4, tmm7);
                code.tdpbf16ps(tmm2, tmm5, tmm6);
                code.tdpbf16ps(tmm3, tmm5, tmm7);
            });
        }
    }

    private static MultiplyAddLoop Loop(string form, bool isSupported, int products, Action<Assembler, AssemblerRegisterZMM> multiplyAdd) =>
        Loop(form, isSupported, 2 * Unrolled * Sums * products, code =>
        {
            for (var i = 0; i < Unrolled * Sums; i++)
                multiplyAdd(code, Zmm(i % Sums));
        });

    private static MultiplyAddLoop Loop(string form, bool isSupported, int operations, Action<Assembler> writeTurn)
    {
        if (!isSupported || !AssembledKernel.IsAllowed)
            return new MultiplyAddLoop(form, false, 0, static _ => { });
        var address = AssembledKernel.Assemble(code =>
        {
            for (var i = 0; i < 32; i++)
                code.vpxord(Zmm(i), Zmm(i), Zmm(i));
            if (CpuFeatures.HasAmx)
                AmxTiles.WriteStart(code, rax);
            code.mov(rax, __qword_ptr[AssembledKernel.Arguments]);
            var turn = code.CreateLabel("turn");
            code.Label(ref turn);
            writeTurn(code);
            code.dec(rax);
            code.jnz(turn);
            if (CpuFeatures.HasAmx)
                AmxTiles.WriteEnd(code);
        });
        return new MultiplyAddLoop(form, true, operations, turns => ((delegate* unmanaged<long*, void>)address)(&turns));
    }

    private static AssemblerRegisterZMM Zmm(int number) => new(Register.ZMM0 + number);
}
