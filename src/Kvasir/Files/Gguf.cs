using System.Globalization;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>
/// A GGUF model, in one file or split over several, mapped into memory. The metadata is that of the first part.
/// </summary>
public sealed class Gguf : ITensorSource
{
    private const int PartLimit = 4096;
    private const int PartDigits = 5;
    private const string Extension = ".gguf";
    private const string Between = "-of-";

    private readonly GgufPart[] _parts;
    private readonly Dictionary<string, GgufTensor> _byName;

    private Gguf(GgufPart[] parts)
    {
        _parts = parts;
        var tensors = new List<GgufTensor>();
        foreach (var part in parts)
            tensors.AddRange(part.Tensors);
        _byName = new Dictionary<string, GgufTensor>(tensors.Count);
        foreach (var tensor in tensors)
        {
            if (!_byName.TryAdd(tensor.Name, tensor))
                throw new KvasirException(
                    KvasirError.BadFile, $"{tensor.File}: tensor {MessageText.Name(tensor.Name)} occurs in {_byName[tensor.Name].File} too");
        }

        Tensors = tensors;
        RequireTensorCount();
    }

    /// <summary>The file, or the first part of a split model.</summary>
    public string Path => _parts[0].Path;

    /// <summary>Readable while the file is open.</summary>
    public GgufMetadata Metadata => _parts[0].Metadata;

    /// <summary>In the order of the files.</summary>
    public IReadOnlyList<GgufTensor> Tensors { get; }

    IEnumerable<string> ITensorSource.TensorNames => _byName.Keys;

    /// <param name="path">A file, or any part of a split model: the parts lie beside each other.</param>
    /// <exception cref="KvasirException">The file is missing, damaged or of a kind that is not supported; the message names what.</exception>
    public static Gguf Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var (parts, notes) = (new List<GgufPart>(), new Notes());
        try
        {
            parts.Add(GgufPart.Open(TryFirstPart(path, out var first) ? first : path, notes));
            OpenOthers(parts);
            return new Gguf([.. parts]);
        }
        catch
        {
            foreach (var part in parts)
                part.Dispose();
            throw;
        }
    }

    /// <summary>A tensor of any part, by its exact name.</summary>
    public bool TryFind(string name, out GgufTensor tensor) => _byName.TryGetValue(name, out tensor!);

    bool ITensorSource.TryFind(string name, out StoredTensor stored)
    {
        if (!_byName.TryGetValue(name, out var tensor))
        {
            stored = default;
            return false;
        }

        var shape = (long[])tensor.Shape.Clone();
        Array.Reverse(shape);
        stored = new StoredTensor(name, tensor.File, tensor.Type, shape, tensor.View);
        return true;
    }

    string? ITensorSource.Origin => null;

    bool ITensorSource.TryPlace(NativeView view, out string file, out long offset)
    {
        foreach (var part in _parts)
        {
            file = part.Path;
            if (part.View.TryFind(view, out offset))
                return true;
        }

        (file, offset) = ("", 0);
        return false;
    }

    void ITensorSource.Release(in StoredTensor stored) => MappedFile.Release(stored.View);

    void ITensorSource.ReadAhead()
    {
        foreach (var part in _parts)
            MappedFile.ReadAhead(part.View);
    }

    /// <summary>Closes all parts: tensors of them must not be touched afterwards.</summary>
    public void Dispose()
    {
        foreach (var part in _parts)
            part.Dispose();
    }

    private static void OpenOthers(List<GgufPart> parts)
    {
        var first = parts[0];
        // Whoever joins the parts to one file leaves the other keys, and 0 in this one.
        var count = first.Metadata.Integer("split.count") is null or 0 or -1 ? 1 : first.Metadata.RequiredCount("split.count", PartLimit);
        if (count == 1)
            return;
        RequireNumber(first, 0, count);
        if (!TrySplitName(first.Path, out var stem, out _, out var named) || named != count)
            throw first.Metadata.Bad("split.count", $"is {count}, but the file's name does not end in {Suffix(1, count)}");
        RequirePresent(stem, count);
        for (var i = 1; i < count; i++)
        {
            parts.Add(GgufPart.Open(stem + Suffix(i + 1, count), first.Metadata.Notes));
            RequireNumber(parts[i], i, count);
        }
    }

    private static void RequirePresent(string stem, int count)
    {
        var missing = new List<string>();
        for (var number = 1; number <= count; number++)
        {
            var path = stem + Suffix(number, count);
            if (!File.Exists(path))
                missing.Add(path);
        }

        if (missing.Count == 0)
            return;
        const int ListLimit = 8;
        var listed = string.Join(", ", missing.Take(ListLimit)) + (missing.Count > ListLimit ? ", ..." : "");
        throw new KvasirException(KvasirError.FileNotFound, $"{missing.Count} of {count} parts are missing: {listed}");
    }

    private static void RequireNumber(GgufPart part, int index, long count)
    {
        var (number, of) = (part.Metadata.Integer("split.no"), part.Metadata.Integer("split.count"));
        if (number != index)
            throw part.Metadata.Bad("split.no", $"is {Word(number)}; {index} was expected");
        if (of != count)
            throw part.Metadata.Bad("split.count", $"is {Word(of)}; {count} was expected");
    }

    private static string Word(long? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "missing";

    private void RequireTensorCount()
    {
        const string Key = "split.tensors.count";
        if (_parts.Length > 1 && Metadata.Integer(Key) is { } expected and not 0 && expected != Tensors.Count)
            throw Metadata.Bad(Key, $"is {expected}, but the {_parts.Length} parts hold {Tensors.Count} tensors");
    }

    private static bool TryFirstPart(string path, out string first)
    {
        first = path;
        if (!TrySplitName(path, out var stem, out var number, out var count) || number == 1)
            return false;
        first = stem + Suffix(1, count);
        if (!File.Exists(first))
            RequirePresent(stem, count);
        return true;
    }

    /// <summary>Takes <c>name-00002-of-00003.gguf</c> apart.</summary>
    private static bool TrySplitName(string path, out string stem, out int number, out int count)
    {
        (stem, number, count) = (path, 0, 0);
        var suffixChars = Suffix(1, 1).Length;
        if (path.Length < suffixChars || !path.EndsWith(Extension, StringComparison.Ordinal))
            return false;
        stem = path[..^suffixChars];
        var suffix = path.AsSpan(stem.Length);
        var digits = NumberStyles.None;
        return int.TryParse(suffix.Slice(1, PartDigits), digits, CultureInfo.InvariantCulture, out number)
            && int.TryParse(suffix.Slice(1 + PartDigits + Between.Length, PartDigits), digits, CultureInfo.InvariantCulture, out count)
            && number >= 1 && number <= count && count <= PartLimit && suffix.SequenceEqual(Suffix(number, count));
    }

    private static string Suffix(int number, int count) => string.Create(CultureInfo.InvariantCulture, $"-{number:D5}{Between}{count:D5}{Extension}");
}

/// <summary>A tensor of a GGUF file.</summary>
/// <param name="Name">As the file spells it, such as <c>blk.0.attn_q.weight</c>.</param>
/// <param name="Type">How its elements are stored.</param>
/// <param name="Shape">In GGUF's order, fastest dimension first: a matrix is [columns, rows].</param>
/// <param name="View">Its bytes in the mapped file; valid while the <see cref="Gguf"/> is open.</param>
/// <param name="File">The file or, of a split model, the part that holds it.</param>
public sealed record GgufTensor(string Name, WeightType Type, long[] Shape, NativeView View, string File);
