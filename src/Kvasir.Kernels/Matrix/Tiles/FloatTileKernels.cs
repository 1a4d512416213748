using Kvasir.Kernels.Assembly;

namespace Kvasir.Kernels.Matrix.Tiles;

/// <summary>The kernels of <see cref="FloatTileCode"/>, assembled when first wanted.</summary>
internal static unsafe class FloatTileKernels
{
    private static readonly nint[] Kernels = new nint[FloatTileCode.MostRows + 1];
    private static readonly Lock Assembling = new();

    /// <summary>The kernel for <paramref name="rows"/> rows of activations.</summary>
    public static delegate* unmanaged<FloatTileArguments*, void> Of(int rows)
    {
        var kernel = Volatile.Read(ref Kernels[rows]);
        return (delegate* unmanaged<FloatTileArguments*, void>)(kernel != 0 ? kernel : Assemble(rows));
    }

    private static nint Assemble(int rows)
    {
        lock (Assembling)
        {
            ref var kernel = ref Kernels[rows];
            if (kernel == 0)
                Volatile.Write(ref kernel, AssembledKernel.Assemble(code => FloatTileCode.Write(code, rows)));
            return kernel;
        }
    }
}
