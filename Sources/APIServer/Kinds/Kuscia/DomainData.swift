// kuscia.secretflow/v1alpha1 DomainData, DomainDataSource and DomainDataGrant: what data a domain has, where, and who may use it.
import KubernetesModel

extension ResourceKind {
    static let domainData = ResourceKind(
        resource: .kuscia("domaindatas"), kind: "DomainData", singular: "domaindata", shortNames: ["kdd"], isCustom: true,
        hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind DomainData -- Data of a domain.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec DomainDataSpec! -- What is wanted.
              0 status DataStatus -- What was last observed; written by the system.
            type DomainDataSpec
              0 relativeURI string
              0 author string
              0 name string!
              0 type string!
              0 dataSource string
              0 attributes {}string
              0 partitions Partition
              0 columns []DataColumn
              0 vendor string
              0 fileFormat string
            type Partition
              0 type string
              0 fields []DataColumn
            type DataColumn
              0 name string
              0 type string
              0 comment string
              0 notNullable bool
            type DataStatus
              0 phase string -- Where it stands.
              0 conditions []DataCondition
            type DataCondition
              0 status string -- What was last observed; written by the system.
              0 message string -- Why, for people.
              0 reason string -- Why, in a word.
              0 lastUpdateTime time
            """#),
        columns: [.name, .text("Type", ["spec", "type"]), .text("DataSource", ["spec", "dataSource"]), .age])

    static let domainDataSource = ResourceKind(
        resource: .kuscia("domaindatasources"), kind: "DomainDataSource", singular: "domaindatasource", shortNames: ["dds"],
        isCustom: true, hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind DomainDataSource -- Where a domain's data is kept.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec DomainDataSourceSpec! -- What is wanted.
              0 status DataStatus -- What was last observed; written by the system.
            type DomainDataSourceSpec
              0 uri string
              0 name string!
              0 data {}string
              0 type string!
              0 infoKey string
              0 accessDirectly bool
            """#),
        columns: [.name, .text("Type", ["spec", "type"]), .age])

    static let domainDataGrant = ResourceKind(
        resource: .kuscia("domaindatagrants"), kind: "DomainDataGrant", singular: "domaindatagrant", shortNames: ["ddg"],
        isCustom: true, hasStatus: true, countsGeneration: true,
        types: TypeText(
            package: "secretflow.kuscia.v1alpha1",
            #"""
            kind DomainDataGrant -- Lets another domain use data.
              0 metadata meta.ObjectMeta -- Name, labels and what the server knows of the object.
              0 spec DomainDataGrantSpec! -- What is wanted.
              0 status DomainDataGrantStatus -- What was last observed; written by the system.
            type DomainDataGrantSpec
              0 author string!
              0 domainDataID string!
              0 signature string
              0 grantDomain string!
              0 limit GrantLimit
              0 description {}string
            type GrantLimit
              0 expirationTime time
              0 useCount int32
              0 grantMode []string
              0 flowID string
              0 components []string
              0 initiator string
              0 inputConfig string
            type DomainDataGrantStatus
              0 phase string -- Where it stands.
              0 message string -- Why, for people.
              0 use_records []UseRecord
            type UseRecord
              0 use_time time
              0 grant_domain string
              0 component string
              0 output string
            """#),
        columns: [
            .name, .text("DomainData", ["spec", "domainDataID"]), .text("GrantDomain", ["spec", "grantDomain"]),
            .text("Phase", ["status", "phase"]), .age,
        ])
}
