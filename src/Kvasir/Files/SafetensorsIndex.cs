using System.Text.Json;

namespace Kvasir.Files;

/// <summary>model.safetensors.index.json: which shard holds which tensor.</summary>
internal sealed class SafetensorsIndex
{
    private const long LimitBytes = 64 << 20;
    private const int ShardLimit = 4096;
    private const int ShardNameLimitChars = 255;
    private const int DepthLimit = 8;
    private const string Extension = ".safetensors";

    private readonly string _path;
    private readonly Dictionary<string, string> _shardOf = [];
    private readonly List<string> _fileNames = [];

    private SafetensorsIndex(string path) => _path = path;

    /// <summary>Plain file names, each once, in the order of their first mention.</summary>
    public IReadOnlyList<string> FileNames => _fileNames;

    public static SafetensorsIndex Read(string path)
    {
        var text = JsonFile.Read(path, LimitBytes);
        var index = new SafetensorsIndex(path);
        CheckedJson.Read(path, () => index.Parse(text));
        return index._fileNames.Count > 0 ? index : throw index.Bad("has no weight_map with tensors in it");
    }

    /// <summary>Every tensor of the index must lie in the shard that it names.</summary>
    public void RequireAgreement(Safetensors opened)
    {
        foreach (var (name, shard) in _shardOf)
        {
            if (opened.FileOf(name) is not { } file)
                throw Bad($"tensor {MessageText.Name(name)} should be in {MessageText.Name(shard)}, which does not hold it");
            if (Path.GetFileName(file) != shard)
                throw Bad($"tensor {MessageText.Name(name)} should be in {MessageText.Name(shard)}, but is in {file}");
        }
    }

    private bool Parse(ReadOnlyMemory<byte> text)
    {
        var reader = new Utf8JsonReader(text.Span, new JsonReaderOptions { MaxDepth = DepthLimit });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw Bad("is not a JSON object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = reader.GetString();
            reader.Read();
            if (field == "weight_map")
                ParseMap(ref reader);
            else
                reader.Skip();
        }

        while (reader.Read())
        {
        }

        return true;
    }

    private void ParseMap(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject || _shardOf.Count > 0)
            throw Bad("weight_map is not one JSON object");
        var seen = new HashSet<string>();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw Bad($"weight_map gives no file name for tensor {MessageText.Name(name)}");
            var shard = reader.GetString()!;
            if (!_shardOf.TryAdd(name, shard))
                throw Bad($"weight_map names tensor {MessageText.Name(name)} twice");
            if (!seen.Add(shard))
                continue;
            if (!IsPlainName(shard))
                throw Bad($"weight_map puts tensor {MessageText.Name(name)} into {MessageText.Name(shard)}; shards are {Extension} files in the same folder");
            if (seen.Count > ShardLimit)
                throw Bad($"weight_map names more than {ShardLimit} shards");
            _fileNames.Add(shard);
        }
    }

    // A name with a separator or a drive could reach any file of the machine; the extension keeps the index from naming itself.
    private static bool IsPlainName(string name) =>
        name.Length <= ShardNameLimitChars && name.Length > Extension.Length && name.EndsWith(Extension, StringComparison.Ordinal)
        && name.AsSpan().IndexOfAny("/\\:\0") < 0;

    private KvasirException Bad(string message) => new(KvasirError.BadFile, $"{_path}: {message}");
}
