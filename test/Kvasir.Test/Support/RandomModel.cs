using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Kvasir.Test.Support;

/// <summary>Writes a generated model to disk, byte for byte as tools/golden-logits/model_files.py does; deleted on dispose.</summary>
public sealed class RandomModel : IDisposable
{
    private const int Alignment = 32;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvasir-golden-");

    /// <summary>Writes the model of a case: one GGUF file, or a folder with safetensors, config.json and tokenizer.</summary>
    public RandomModel(GoldenLogitsCase model, GoldenLogitsTable table)
    {
        Path = System.IO.Path.Combine(_folder.FullName, model.Format == "gguf" ? model.Name + ".gguf" : model.Name);
        if (model.Format == "gguf")
        {
            WriteGguf(model, table.TokenizerKeys);
        }
        else
        {
            WriteFolder(model, table.TokenizerFiles);
        }
    }

    /// <summary>The file or folder to load.</summary>
    public string Path { get; }

    /// <summary>SHA-256 in lower-case hex by file name; a GGUF file stands under the empty name.</summary>
    public Dictionary<string, string> Digests()
    {
        var files = File.Exists(Path) ? [Path] : Directory.GetFiles(Path);
        return files.ToDictionary(
            file => file == Path ? "" : System.IO.Path.GetFileName(file),
            file => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file))));
    }

    /// <summary>Deletes the files.</summary>
    public void Dispose() => _folder.Delete(recursive: true);

    private void WriteGguf(GoldenLogitsCase model, JsonElement[][] tokenizer)
    {
        using var file = new BinaryWriter(File.Create(Path));
        JsonElement[][] entries = [.. model.Metadata!, .. tokenizer];
        file.Write("GGUF"u8);
        file.Write(3u);
        file.Write((ulong)model.Tensors.Length);
        file.Write((ulong)entries.Length);
        foreach (var entry in entries)
        {
            WriteString(file, entry[0].GetString()!);
            WriteValue(file, entry[1].GetString()!, entry[2]);
        }
        var data = model.Tensors.Select(RandomTensor.Bytes).ToArray();
        var offset = 0UL;
        for (var i = 0; i < data.Length; i++)
        {
            var tensor = model.Tensors[i];
            WriteString(file, tensor.Name);
            file.Write((uint)tensor.Shape.Length);
            foreach (var extent in tensor.Shape)
            {
                file.Write((ulong)extent);
            }
            file.Write(RandomTensor.Layout(tensor.Type).Number);
            file.Write(offset);
            offset += (ulong)(data[i].Length + Alignment - 1) / Alignment * Alignment;
        }
        foreach (var bytes in data)
        {
            Pad(file);
            file.Write(bytes);
        }
        Pad(file);
    }

    private static void WriteValue(BinaryWriter file, string kind, JsonElement value)
    {
        switch (kind)
        {
            case "u32": file.Write(4u); file.Write(value.GetUInt32()); break;
            case "f32": file.Write(6u); file.Write((float)value.GetDouble()); break;
            case "bool": file.Write(7u); file.Write(value.GetBoolean()); break;
            case "str": file.Write(8u); WriteString(file, value.GetString()!); break;
            default: WriteArray(file, kind, value); break;
        }
    }

    private static void WriteArray(BinaryWriter file, string kind, JsonElement items)
    {
        file.Write(9u);
        file.Write(kind switch { "str[]" => 8u, "bool[]" => 7u, _ => 5u });
        file.Write((ulong)items.GetArrayLength());
        foreach (var item in items.EnumerateArray())
        {
            if (kind == "str[]")
            {
                WriteString(file, item.GetString()!);
            }
            else if (kind == "bool[]")
            {
                file.Write(item.GetBoolean());
            }
            else
            {
                file.Write(item.GetInt32());
            }
        }
    }

    private static void WriteString(BinaryWriter file, string text)
    {
        var utf8 = Encoding.UTF8.GetBytes(text);
        file.Write((ulong)utf8.Length);
        file.Write(utf8);
    }

    private static void Pad(BinaryWriter file)
    {
        file.Flush();
        file.Write(new byte[(Alignment - (file.BaseStream.Position % Alignment)) % Alignment]);
    }

    private void WriteFolder(GoldenLogitsCase model, Dictionary<string, string> files)
    {
        Directory.CreateDirectory(Path);
        foreach (var (name, text) in files.Append(new("config.json", model.Config!)))
        {
            File.WriteAllText(System.IO.Path.Combine(Path, name), text);
        }
        for (var shard = 0; shard < model.Shards; shard++)
        {
            WriteShard(model, shard);
        }
        if (model.Shards > 1)
        {
            var map = Enumerable.Range(0, model.Shards).SelectMany(shard => OfShard(model, shard).Select(t => $"\"{t.Name}\":\"{ShardName(model, shard)}\""));
            File.WriteAllText(System.IO.Path.Combine(Path, "model.safetensors.index.json"), $"{{\"metadata\":{{}},\"weight_map\":{{{string.Join(',', map)}}}}}");
        }
    }

    private void WriteShard(GoldenLogitsCase model, int shard)
    {
        var header = new StringBuilder("{");
        using var data = new MemoryStream();
        foreach (var tensor in OfShard(model, shard))
        {
            var bytes = RandomTensor.Bytes(tensor);
            var shape = string.Join(',', tensor.Shape.Reverse());
            header.Append(CultureInfo.InvariantCulture, $"{(header.Length > 1 ? "," : "")}\"{tensor.Name}\":{{\"dtype\":\"{tensor.Type}\",\"shape\":[{shape}],\"data_offsets\":[{data.Length},{data.Length + bytes.Length}]}}");
            data.Write(bytes);
        }
        header.Append('}').Append(' ', (8 - (header.Length % 8)) % 8);
        using var file = new BinaryWriter(File.Create(System.IO.Path.Combine(Path, ShardName(model, shard))));
        file.Write((ulong)header.Length);
        file.Write(Encoding.ASCII.GetBytes(header.ToString()));
        file.Write(data.ToArray());
    }

    // Tensors are dealt to the shards in turn.
    private static IEnumerable<GoldenTensor> OfShard(GoldenLogitsCase model, int shard) => model.Tensors.Where((_, i) => i % model.Shards == shard);

    private static string ShardName(GoldenLogitsCase model, int shard) =>
        model.Shards == 1 ? "model.safetensors" : $"model-{shard + 1:D5}-of-{model.Shards:D5}.safetensors";
}
