using System.Diagnostics.CodeAnalysis;

namespace Kvasir.Kernels.Attention;

/// <summary>How a row of keys or values is stored in the cache.</summary>
public enum KvType
{
    /// <summary>4 bytes an element, as computed: the reference.</summary>
    F32,

    /// <summary>2 bytes an element, rounded to nearest even: the default.</summary>
    BF16,

    /// <summary>8-bit integers in blocks of 32 with one scale each.</summary>
    Q8,

    /// <summary>8-bit integers between a least and a largest element: of each channel of 32 keys, of each value row.</summary>
    [SuppressMessage("Naming", "CA1720", Justification = "It is the name of the format.")]
    Int8,

    /// <summary>The same, of each channel of 32 keys and of 32 values.</summary>
    Int8Channel,
}
