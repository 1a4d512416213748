namespace Kvasir.Planning;

/// <summary>
/// Machines that are not here, for plans of what to buy: an accelerator whose memory holds what is attended, with the memory of its host behind a link as the
/// place of all else. Rates are data sheets', less what the papers say is reached of them; each profile says whose.
/// </summary>
public static class MachineProfiles
{
    // Of what a data sheet says of memory, kernels reach about so much; of arithmetic about half.
    private const double MemoryShare = 0.8;
    private const double ArithmeticShare = 0.5;
    private const long Gigabyte = 1_000_000_000;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<MachineFigures> All { get; } =
    [
        Of("v100-16", "NVIDIA V100 SXM2 16 GB (data sheet: 900 GB/s, 125 TFLOP/s), PCIe 3 x16, as ALISA's smaller machine", 16, 900, 125, 12),
        Of("v100-32", "NVIDIA V100 SXM2 32 GB (data sheet: 900 GB/s, 125 TFLOP/s), PCIe 3 x16, as ALISA's machine of 13B", 32, 900, 125, 12),
        Of("a100-40", "NVIDIA A100 40 GB (data sheet: 1,555 GB/s, 312 TFLOP/s), PCIe 4 x16", 40, 1555, 312, 25),
        Of("a100-80", "NVIDIA A100 SXM 80 GB (data sheet: 2,039 GB/s, 312 TFLOP/s), PCIe 4 x16", 80, 2039, 312, 25),
        Of("l20", "NVIDIA L20 48 GB (data sheet: 864 GB/s, 119.5 TFLOP/s), PCIe 4 x16", 48, 864, 119.5, 25),
        Of("rtx4090", "NVIDIA RTX 4090 24 GB (data sheet: 1,008 GB/s, 165 TFLOP/s), PCIe 4 x16", 24, 1008, 165, 25),
        Of("h200", "NVIDIA H200 SXM 141 GB (data sheet: 4,800 GB/s, 989 TFLOP/s), PCIe 5 x16", 141, 4800, 989, 50),
    ];

    /// <summary>Their names.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(static profile => profile.Name)];

    /// <summary>Null for a name that is none.</summary>
    public static MachineFigures? Find(string name) => All.FirstOrDefault(profile => profile.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    // Pieces of 16 KiB over a link are gathered by a kernel that reads pinned memory: 4/5 of its rate; one alone takes a copy's 10 us.
    private static MachineFigures Of(string name, string source, int gigabytes, double memory, double teraflops, double link) => new()
    {
        Name = name,
        Source = source,
        Cores = 1,
        MemoryBytes = gigabytes * Gigabyte,
        ReadBytesPerSecond = memory * Gigabyte * MemoryShare,
        OperationsPerSecond = teraflops * 1e12 * ArithmeticShare,
        LayerMs = 0.03,
        Store = new StoreSpeed(
            FormattableString.Invariant($"memory of the host behind a link of {link} GB/s"), link * Gigabyte * MemoryShare / (16 << 10), link * Gigabyte, 10, 0,
            link * Gigabyte),
    };
}
