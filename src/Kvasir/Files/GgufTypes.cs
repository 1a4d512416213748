using Kvasir.Kernels.Matrix;

namespace Kvasir.Files;

/// <summary>Tensor types by their number in a GGUF file: those that can be read, and the names of the others for messages.</summary>
internal static class GgufTypes
{
    private static readonly (uint Number, WeightType Type)[] Supported =
    [
        (0, WeightType.F32),
        (1, WeightType.F16),
        (2, WeightType.Q4_0),
        (3, WeightType.Q4_1),
        (6, WeightType.Q5_0),
        (7, WeightType.Q5_1),
        (8, WeightType.Q8_0),
        (10, WeightType.Q2_K),
        (11, WeightType.Q3_K),
        (12, WeightType.Q4_K),
        (13, WeightType.Q5_K),
        (14, WeightType.Q6_K),
        (20, WeightType.IQ4_NL),
        (23, WeightType.IQ4_XS),
        (30, WeightType.BF16),
        (39, WeightType.MXFP4),
    ];

    /// <summary>What a message lists: every type that can be read.</summary>
    public static string Names { get; } = string.Join(", ", Supported.Select(entry => entry.Type.ToString()));

    public static bool TryFind(uint number, out WeightType type)
    {
        foreach (var entry in Supported)
        {
            if (entry.Number == number)
            {
                type = entry.Type;
                return true;
            }
        }

        type = default;
        return false;
    }

    public static uint Number(WeightType type) => Array.Find(Supported, entry => entry.Type == type).Number;

    /// <summary>The name of a type that cannot be read.</summary>
    public static string Name(uint number) => number switch
    {
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4 (retired: a file of Q4_0 is interleaved where it is loaded)",
        32 => "Q4_0_4_8 (retired: a file of Q4_0 is interleaved where it is loaded)",
        33 => "Q4_0_8_8 (retired: a file of Q4_0 is interleaved where it is loaded)",
        34 => "TQ1_0",
        35 => "TQ2_0",
        40 => "NVFP4",
        _ => $"number {number}",
    };
}
