using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>A container of tensors, as <see cref="Kvasir.Models.Weights"/> sees <see cref="Gguf"/> and <see cref="Safetensors"/>.</summary>
internal interface ITensorSource : IDisposable
{
    string Path { get; }

    /// <summary>What its numbers follow from, where they were made; null where they are what a file holds.</summary>
    string? Origin { get; }

    IEnumerable<string> TensorNames { get; }

    /// <summary>Tensors beside them that no weight can be: whoever asks for one is told why.</summary>
    IEnumerable<string> OtherNames => [];

    bool TryFind(string name, out StoredTensor stored);

    /// <summary>A tensor of bytes that are no numbers by themselves; its type says nothing.</summary>
    bool TryFindBytes(string name, out StoredTensor stored)
    {
        stored = default;
        return false;
    }

    /// <summary>Where bytes of a tensor lie in which file; false for those that were made.</summary>
    bool TryPlace(NativeView view, out string file, out long offset)
    {
        (file, offset) = ("", 0);
        return false;
    }

    /// <summary>The tensor has been copied: what can be read again, or never will be, leaves memory.</summary>
    void Release(in StoredTensor stored);

    /// <summary>Asks the system to read all files ahead.</summary>
    void ReadAhead();
}

/// <summary>A tensor of either container. The shape is slowest dimension first: a matrix is [rows, columns].</summary>
internal readonly record struct StoredTensor(string Name, string File, WeightType Type, long[] Shape, NativeView View)
{
    /// <summary>Whether its numbers lie as those of this shape do: an axis of size 1 is no axis, wherever it stands.</summary>
    public bool HasShape(params ReadOnlySpan<long> shape)
    {
        var next = 0;
        foreach (var size in shape)
        {
            while (next < Shape.Length && Shape[next] == 1)
                next++;
            if (size == 1)
                continue;
            if (next == Shape.Length || Shape[next++] != size)
                return false;
        }

        return !Shape.AsSpan(next).ContainsAnyExcept(1);
    }
}
