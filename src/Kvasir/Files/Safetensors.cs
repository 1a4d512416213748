using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;

namespace Kvasir.Files;

/// <summary>The tensors of a safetensors file, or of a folder that holds them in one file or in shards, mapped into memory.</summary>
public sealed class Safetensors : ITensorSource
{
    private const string SingleName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";

    private readonly SafetensorsFile[] _files;
    private readonly Dictionary<string, SafetensorsTensor> _byName;
    private readonly Dictionary<string, OtherTensor> _others = [];

    private Safetensors(string path, SafetensorsFile[] files)
    {
        (Path, _files) = (path, files);
        var tensors = new List<SafetensorsTensor>();
        foreach (var file in files)
            tensors.AddRange(file.Tensors);
        _byName = new Dictionary<string, SafetensorsTensor>(tensors.Count);
        foreach (var tensor in tensors)
        {
            if (!_byName.TryAdd(tensor.Name, tensor))
                throw new KvasirException(
                    KvasirError.BadFile, $"{tensor.File}: tensor {MessageText.Name(tensor.Name)} occurs in {_byName[tensor.Name].File} too");
        }

        foreach (var other in files.SelectMany(static file => file.Others))
        {
            if (_byName.ContainsKey(other.Name) || !_others.TryAdd(other.Name, other))
                throw new KvasirException(KvasirError.BadFile, $"{other.File}: tensor {MessageText.Name(other.Name)} occurs in {FileOf(other.Name)} too");
        }

        Tensors = tensors;
    }

    /// <summary>The file, or the index of the shards.</summary>
    public string Path { get; }

    /// <summary>In the order of the files: those of the types that weights have.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    IEnumerable<string> ITensorSource.TensorNames =>
        [.. _byName.Keys, .. _others.Values.Where(static other => other.IsBytes).Select(static other => other.Name)];

    IEnumerable<string> ITensorSource.OtherNames => _others.Values.Where(static other => !other.IsBytes).Select(static other => other.Name);

    /// <param name="folderOrFile">A file, or a folder with model.safetensors or model.safetensors.index.json and its shards.</param>
    /// <exception cref="KvasirException">A file is missing, damaged or of a kind that is not supported; the message names what.</exception>
    public static Safetensors Open(string folderOrFile)
    {
        if (!Directory.Exists(folderOrFile))
            return Open(folderOrFile, [folderOrFile], shards: null);
        var single = System.IO.Path.Combine(folderOrFile, SingleName);
        if (File.Exists(single))
            return Open(single, [single], shards: null);
        var index = System.IO.Path.Combine(folderOrFile, IndexName);
        if (!File.Exists(index))
            throw new KvasirException(KvasirError.FileNotFound, $"{folderOrFile} holds neither {SingleName} nor {IndexName}");
        var shards = SafetensorsIndex.Read(index);
        return Open(index, [.. shards.FileNames.Select(name => System.IO.Path.Combine(folderOrFile, name))], shards);
    }

    /// <summary>A tensor of any shard, by its exact name.</summary>
    /// <exception cref="KvasirException">It is there, and of a type that no weight here has.</exception>
    public bool TryFind(string name, out SafetensorsTensor tensor) =>
        _byName.TryGetValue(name, out tensor!) || (_others.TryGetValue(name, out var other) ? throw other.Refusal() : false);

    bool ITensorSource.TryFind(string name, out StoredTensor stored)
    {
        var found = TryFind(name, out var tensor);
        stored = found ? new StoredTensor(name, tensor!.File, tensor.Type, tensor.Shape, tensor.View) : default;
        return found;
    }

    bool ITensorSource.TryFindBytes(string name, out StoredTensor stored)
    {
        var found = _others.TryGetValue(name, out var other) && other.IsBytes;
        stored = found ? new StoredTensor(name, other!.File, default, other.Shape, other.View) : default;
        return found;
    }

    string? ITensorSource.Origin => null;

    bool ITensorSource.TryPlace(NativeView view, out string file, out long offset)
    {
        foreach (var part in _files)
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
        foreach (var file in _files)
            MappedFile.ReadAhead(file.View);
    }

    /// <summary>Closes all files: tensors of them must not be touched afterwards.</summary>
    public void Dispose()
    {
        foreach (var file in _files)
            file.Dispose();
    }

    /// <summary>The file or shard that holds a tensor of any type; null for none.</summary>
    internal string? FileOf(string name) => _byName.TryGetValue(name, out var tensor) ? tensor.File : _others.GetValueOrDefault(name)?.File;

    private static Safetensors Open(string path, string[] paths, SafetensorsIndex? shards)
    {
        var files = new List<SafetensorsFile>();
        try
        {
            foreach (var file in paths)
                files.Add(SafetensorsFile.Open(file));
            var opened = new Safetensors(path, [.. files]);
            shards?.RequireAgreement(opened);
            return opened;
        }
        catch
        {
            foreach (var file in files)
                file.Dispose();
            throw;
        }
    }
}

/// <summary>A tensor of a safetensors file.</summary>
/// <param name="Name">As the file spells it, such as <c>model.layers.0.self_attn.q_proj.weight</c>.</param>
/// <param name="Type">F32, F16 or BF16.</param>
/// <param name="Shape">Slowest dimension first: a matrix is [rows, columns].</param>
/// <param name="View">Its bytes in the mapped file; valid while the <see cref="Safetensors"/> is open.</param>
/// <param name="File">The file or shard that holds it.</param>
public sealed record SafetensorsTensor(string Name, WeightType Type, long[] Shape, NativeView View, string File);
