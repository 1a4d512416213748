using Iced.Intel;

namespace Kvasir.Kernels.Assembly;

/// <summary>Kernels that differ by how many rows they take, each assembled when it is first wanted. Any thread may ask.</summary>
/// <param name="mostRows">Kernels are for 1 to this many rows.</param>
/// <param name="write">Writes the body of the kernel for so many rows.</param>
internal sealed class KernelTable(int mostRows, Action<Assembler, int> write)
{
    private readonly nint[] _addresses = new nint[mostRows + 1];
    private readonly Lock _assembling = new();

    /// <summary>The address of the kernel for <paramref name="rows"/> rows.</summary>
    public nint Address(int rows)
    {
        var address = Volatile.Read(ref _addresses[rows]);
        return address != 0 ? address : Assemble(rows);
    }

    private nint Assemble(int rows)
    {
        lock (_assembling)
        {
            if (_addresses[rows] == 0)
                Volatile.Write(ref _addresses[rows], AssembledKernel.Assemble(code => write(code, rows)));
            return _addresses[rows];
        }
    }
}
